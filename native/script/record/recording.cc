#include "script/record/recording.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <optional>

#include "script/error.h"
#include "script/module/tensors.h"
#include "script/record/random_state.h"
#include "script/record/recorder.h"
#include "script/record/shape_kernels.h"
#include "script/record/stage.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Module;

namespace {

// The cheapest way first.
constexpr Way kWays[] = {{true, true}, {false, true}, {false, false}};

std::optional<at::Tensor> FirstTensor(const std::vector<IValue>& inputs) {
  std::optional<at::Tensor> first;
  MapTensors(inputs, [&](const at::Tensor& tensor) {
    if (!first) first = tensor;
    return tensor;
  });
  return first;
}

// Whether a run left its stage as it was, for another one. Numbers without memory can't be overwritten.
bool IsUnchanged(const Record& record, Way way) {
  if (!way.shapes) return false;
  for (const Op& op : record.ops) {
    const NodeFacts& facts = (*record.facts)[op.node];
    if (!facts.mutates) continue;
    if (facts.name == "prim::SetAttr" || op.inputs.empty() || op.inputs[0].list) return false;
    const RecordValue& target = record.values[op.inputs[0].id];
    const bool number = target.dtype != nullptr && std::string(target.dtype).rfind("float", 0) == 0;
    if (!number || target.role != nullptr) return false;
  }
  return true;
}

bool SameOperators(const Record& a, const Record& b, std::string& reason) {
  for (size_t i = 0; i < std::min(a.ops.size(), b.ops.size()); ++i) {
    if (a.ops[i].node == b.ops[i].node && a.ops[i].inputs == b.ops[i].inputs && a.ops[i].outputs == b.ops[i].outputs) {
      continue;
    }
    const NodeFacts& facts = (*a.facts)[a.ops[i].node];
    reason = "the program takes another course at " + facts.name + (facts.scope.empty() ? "" : " in " + facts.scope);
    return false;
  }
  if (a.ops.size() != b.ops.size() || a.values.size() != b.values.size() || !(a.output == b.output)) {
    reason = "the program runs another number of operators";
    return false;
  }
  return true;
}

bool SameScalar(const RecordValue& a, const RecordValue& b) {
  // Where one run was on shapes there is nothing to compare.
  if (a.kind == ValueKind::kTensor) return !a.data || !b.data || a.data == b.data;
  return a.integer == b.integer && a.boolean == b.boolean && a.text == b.text &&
         (a.real == b.real || (a.real != a.real && b.real != b.real));
}

Record::Second Differences(const Record& first, const Record& second, int64_t batch) {
  Record::Second result;
  result.batch = batch;
  for (size_t i = 0; i < first.values.size(); ++i) {
    const RecordValue &a = first.values[i], &b = second.values[i];
    if (a.kind == ValueKind::kTensor && a.shape != b.shape) {
      result.shapes.push_back(static_cast<ValueId>(i));
      result.shape_values.push_back(b.shape);
    }
    const bool scalar = a.kind != ValueKind::kTensor || (a.role == nullptr && a.data && a.data->size() == 1);
    if (scalar && !SameScalar(a, b)) {
      result.scalars.push_back(static_cast<ValueId>(i));
      result.scalar_values.push_back(b);
    }
  }
  return result;
}

void RunSecond(const Module& module, Stage& stage, const PreparedGraph& prepared, const std::vector<IValue>& inputs,
               const RecordOptions& options, Record& record) {
  const auto first = FirstTensor(inputs);
  if (!first || first->dim() == 0) {
    record.second_error = "the first input has no batch dimension";
    return;
  }
  const auto doubled = MapTensors(inputs, [](const at::Tensor& tensor) {
    return tensor.dim() == 0 ? tensor.clone() : at::cat({tensor, tensor}, 0);
  });
  if (!IsUnchanged(record, stage.way)) stage = StageFor(module, stage.way);
  // The same way as the first: what shapes don't allow is not tried for real, as some kernels read beyond their inputs
  // instead of refusing them.
  try {
    const Record second = RunOn(stage, prepared, doubled, options.check);
    if (SameOperators(record, second, record.second_error)) {
      record.second = Differences(record, second, 2 * first->size(0));
    }
  } catch (const RunFailure& failure) {
    record.second_error = failure.message + Where(failure);
  }
}

// torch.jit.freeze makes the weights constants of the program.
bool IsFrozen(const Module& module, const Record& record) {
  if (module.parameters().size() > 0) return false;
  for (const Op& op : record.ops) {
    const std::string& name = (*record.facts)[op.node].name;
    const bool weighted = name == "aten::conv1d" || name == "aten::conv2d" || name == "aten::conv3d" ||
                          name == "aten::_convolution" || name == "aten::convolution" || name == "aten::linear" ||
                          name == "aten::addmm" || name == "aten::matmul" || name == "aten::mm" ||
                          name == "aten::conv_transpose1d" || name == "aten::conv_transpose2d";
    if (!weighted) continue;
    for (const Arg& input : op.inputs) {
      if (input.list || record.values[input.id].kind != ValueKind::kTensor) continue;
      const RecordValue& value = record.values[input.id];
      if (value.role != nullptr && std::string(value.role) == "constant" && value.shape.size() >= 2) return true;
    }
  }
  return false;
}

}  // namespace

std::pair<Record, Recording> RecordModule(const Module& module, const Entry& entry,
                                          std::shared_ptr<const PreparedGraph> forward, std::vector<IValue> inputs,
                                          const RecordOptions& options) {
  RegisterShapeKernels();
  KeepRandomState random;
  inputs = Normalize(module, entry, std::move(inputs));
  std::vector<std::string> trails;
  auto prepared = std::move(forward);
  if (entry.size() > 1) prepared = std::make_shared<const PreparedGraph>(PrepareEntry(module, entry, trails));
  const auto kept = MapTensors(inputs, [](const at::Tensor& t) { return t.detach().clone(); });
  Recording recording{prepared, entry, trails, kept, {}};
  std::optional<Record> record;
  std::optional<RunFailure> failure;
  std::optional<Stage> stage;
  for (const Way each : kWays) {
    if (each.shapes && options.execute) continue;
    try {
      stage = StageFor(module, each);
      record = RunOn(*stage, *prepared, inputs, options.check);
      break;
    } catch (const RunFailure& error) {
      // The error of the real run with gradients is the telling one. (Without them a program may write to its
      // parameters.)
      if (!each.shapes && each.grad) failure = error;
      if (failure && failure->raised) break;
    }
  }
  if (!record) {
    throw Error("ERR_INVALID_ARGUMENT",
                "The model does not run on the example inputs: " + failure->message + Where(*failure), failure->detail);
  }
  record->executed = !stage->way.shapes;
  recording.grad = stage->way.grad;
  if (IsFrozen(module, *record)) {
    throw Error("ERR_FROZEN_MODULE", "The module was frozen (torch.jit.freeze): its weights are constants");
  }
  RunSecond(module, *stage, *prepared, inputs, options, *record);
  const auto first = std::find_if(record->ops.begin(), record->ops.end(),
                                  [&](const Op& op) { return IsWithin(prepared->nodes[op.node], trails); });
  recording.forward_ops = first - record->ops.begin();
  for (const Op& op : record->ops) {
    for (size_t i = 0; i < op.inputs.size(); ++i) {
      if (!op.inputs[i].list) continue;
      recording.list_sizes.try_emplace({op.node, static_cast<int32_t>(i)}, op.inputs[i].items.size());
    }
  }
  return {std::move(*record), std::move(recording)};
}

}  // namespace espalier::script
