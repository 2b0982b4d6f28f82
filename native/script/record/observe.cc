#include "script/record/observe.h"

#include <ATen/Functions.h>

#include <map>

#include "script/error.h"
#include "script/module/tensors.h"
#include "script/record/random_state.h"
#include "script/record/stage.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Module;

std::vector<Moments> Observe(const Module& module, const Recording& recording, std::vector<IValue> inputs,
                             const std::vector<Watched>& watched, const std::function<void()>& check) {
  const KeepRandomState random;
  inputs = Normalize(module, recording.entry, std::move(inputs));
  struct Sums {
    at::Tensor sum, least, most;
    int64_t count = 0;
  };
  std::vector<Sums> sums(watched.size());
  const auto look = [&](int32_t node, const std::vector<IValue>& values) {
    for (size_t k = 0; k < watched.size(); ++k) {
      const Watched& place = watched[k];
      if (place.node != node) continue;
      if (place.input >= static_cast<int64_t>(values.size()) || !values[place.input].isTensor()) {
        throw Error("ERR_INVALID_ARGUMENT",
                    "input " + std::to_string(place.input) + " of node " + std::to_string(node) + " is no tensor");
      }
      const at::Tensor value = values[place.input].toTensor().detach();
      if (place.dim >= value.dim() || value.numel() == 0) {
        throw Error("ERR_INVALID_ARGUMENT", "there is nothing along dimension " + std::to_string(place.dim) +
                                                " of input " + std::to_string(place.input) + " of node " +
                                                std::to_string(node));
      }
      const int64_t size = value.size(place.dim);
      const at::Tensor rows = value.movedim(place.dim, 0).reshape({size, -1}).to(at::kDouble);
      Sums& own = sums[k];
      const bool first = own.count == 0;
      if (!first && own.sum.size(0) != size) {
        throw Error("ERR_INVALID_ARGUMENT", "node " + std::to_string(node) + " runs with several widths");
      }
      own.sum = first ? rows.sum(1) : own.sum.add(rows.sum(1));
      own.least = first ? rows.amin(1) : at::minimum(own.least, rows.amin(1));
      own.most = first ? rows.amax(1) : at::maximum(own.most, rows.amax(1));
      own.count += rows.size(1);
    }
  };
  try {
    // The same way as a real recording, so that the same operators run.
    RunOn(StageFor(module, {false, recording.grad}), *recording.prepared, inputs, check, {look, {}});
  } catch (const RunFailure& failure) {
    throw Error("ERR_TORCH", failure.message + Where(failure), failure.detail);
  }
  std::vector<Moments> moments;
  for (const Sums& own : sums) {
    moments.push_back(own.count == 0 ? Moments{}
                                     : Moments{own.sum.div(static_cast<double>(own.count)), own.most.sub(own.least)});
  }
  return moments;
}

std::vector<std::vector<at::Tensor>> Capture(const Module& module, const Recording& recording,
                                             std::vector<IValue> inputs, const std::set<int64_t>& ops, uint64_t seed,
                                             const std::function<void()>& check) {
  const KeepRandomState random(seed);
  inputs = Normalize(module, recording.entry, std::move(inputs));
  std::map<int64_t, std::vector<at::Tensor>> seen;
  for (const int64_t op : ops) seen[op];
  const auto look = [&](size_t op, const std::vector<IValue>& results) {
    const auto wanted = seen.find(static_cast<int64_t>(op));
    if (wanted == seen.end()) return;
    MapTensors(results, [&](const at::Tensor& tensor) {
      wanted->second.push_back(tensor.detach().clone());
      return tensor;
    });
  };
  try {
    RunOn(StageFor(module, {false, recording.grad}), *recording.prepared, inputs, check, {{}, look});
  } catch (const RunFailure& failure) {
    throw Error("ERR_TORCH", failure.message + Where(failure), failure.detail);
  }
  std::vector<std::vector<at::Tensor>> results;
  for (auto& [op, tensors] : seen) results.push_back(std::move(tensors));
  return results;
}

}  // namespace espalier::script
