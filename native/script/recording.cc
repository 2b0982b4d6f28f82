#include "script/recording.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/jit/api/function_impl.h>

#include <algorithm>
#include <optional>

#include "script/error.h"
#include "script/recorder.h"
#include "script/scope.h"
#include "script/shape_kernels.h"
#include "script/shapes.h"
#include "script/tensors.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Module;

namespace {

// A run may draw random numbers; the user's sequence must not feel it.
class KeepRandomState {
 public:
  KeepRandomState() : generator_(at::detail::getDefaultCPUGenerator()) {
    const std::lock_guard<std::mutex> lock(generator_.mutex());
    state_ = generator_.get_state();
  }
  ~KeepRandomState() {
    const std::lock_guard<std::mutex> lock(generator_.mutex());
    generator_.set_state(state_);
  }

 private:
  at::Generator generator_;
  at::Tensor state_;
};

std::optional<at::Tensor> FirstTensor(const std::vector<IValue>& inputs) {
  std::optional<at::Tensor> first;
  MapTensors(inputs, [&](const at::Tensor& tensor) {
    if (!first) first = tensor;
    return tensor;
  });
  return first;
}

// How a program is run to be recorded, the cheapest first.
struct Way {
  bool shapes;  // on shapes alone, see Shapes
  bool grad;    // attention takes its open path (torchscript.md) only when something can have a gradient
};
constexpr Way kWays[] = {{true, true}, {false, true}, {false, false}};

at::Device DeviceOf(const std::vector<OwnedTensor>& tensors) {
  return tensors.empty() ? at::Device(at::kCPU) : tensors[0].tensor.device();
}

// What the program may change at will.
Module CopyOf(const Module& module, const std::vector<OwnedTensor>& tensors, bool shapes) {
  IValue::HashIdentityIValueMap copies;
  for (const OwnedTensor& owned : tensors) {
    if (!shapes) break;
    const at::Tensor plain = owned.tensor.detach();
    const at::Tensor shape = Shapes::Of(plain);
    if (shape.is_meta()) copies.emplace(owned.tensor, shape);
  }
  Module copy(module._ivalue()->deepcopy(copies));
  copy.eval();
  return copy;
}

// A run of its own copy: `module` is only read.
Record RunOnce(const Module& module, const PreparedGraph& prepared, const std::vector<IValue>& inputs, Way way,
               const std::function<void()>& check) {
  const std::vector<OwnedTensor> originals = OwnedTensors(module);
  const Module copy = CopyOf(module, originals, way.shapes);
  c10::AutoGradMode mode(way.grad);
  const std::vector<OwnedTensor> copies = OwnedTensors(copy);
  std::vector<Recorder::Owned> owners;
  std::map<TensorKey, size_t> places;
  for (size_t i = 0; i < originals.size(); ++i) {
    const bool parameter = originals[i].kind == OwnedTensor::Kind::kParameter;
    at::Tensor tensor = copies[i].tensor;
    if (way.grad && parameter && tensor.is_floating_point()) tensor.set_requires_grad(true);
    const auto [place, added] = places.try_emplace(KeyOf(originals[i].tensor), owners.size());
    if (added) owners.push_back({{}, parameter ? "parameter" : "buffer", {}});
    owners[place->second].names.push_back(originals[i].name);
    owners[place->second].tensors.push_back(tensor);
  }
  std::optional<Shapes> shapes;
  if (way.shapes) shapes.emplace(DeviceOf(originals));
  const auto own = MapTensors(inputs, [&way](const at::Tensor& tensor) {
    const at::Tensor shape = way.shapes ? Shapes::Of(tensor.detach()) : tensor;
    return shape.is_meta() ? shape : tensor.detach().clone();
  });
  return Recorder(prepared, shapes, check).Run(copy, owners, own);
}

std::string Where(const RunFailure& failure) {
  if (failure.node == nullptr) return "";
  const std::string scope = ScopeOf(failure.node);
  const std::string name = failure.raised ? "" : std::string(failure.node->kind().toQualString());
  if (name.empty() && scope.empty()) return "";
  return " (" + name + (name.empty() || scope.empty() ? "" : " ") + (scope.empty() ? "" : "in " + scope) + ")";
}

bool SameOperators(const Record& a, const Record& b, std::string& reason) {
  for (size_t i = 0; i < std::min(a.ops.size(), b.ops.size()); ++i) {
    if (a.ops[i].node == b.ops[i].node && a.ops[i].inputs == b.ops[i].inputs && a.ops[i].outputs == b.ops[i].outputs) {
      continue;
    }
    const NodeFacts& facts = a.nodes[a.ops[i].node];
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

void RunSecond(const Module& module, const PreparedGraph& prepared, const std::vector<IValue>& inputs, Way way,
               const RecordOptions& options, Record& record) {
  const auto first = FirstTensor(inputs);
  if (!first || first->dim() == 0) {
    record.second_error = "the first input has no batch dimension";
    return;
  }
  const auto doubled = MapTensors(inputs, [](const at::Tensor& tensor) {
    return tensor.dim() == 0 ? tensor.clone() : at::cat({tensor, tensor}, 0);
  });
  // What fails on shapes may still run for real, and why it does not is told by a real run.
  for (const Way each : {way, Way{false, way.grad}}) {
    record.second_error = "unknown";
    try {
      const Record second = RunOnce(module, prepared, doubled, each, options.check);
      if (!SameOperators(record, second, record.second_error)) continue;
      record.second = Differences(record, second, 2 * first->size(0));
      record.second_error.clear();
      return;
    } catch (const RunFailure& failure) {
      record.second_error = failure.message + Where(failure);
    }
    if (!each.shapes) return;
  }
}

// torch.jit.freeze makes the weights constants of the program.
bool IsFrozen(const Module& module, const Record& record) {
  if (module.parameters().size() > 0) return false;
  for (const Op& op : record.ops) {
    const std::string& name = record.nodes[op.node].name;
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

// Defaults filled in and types checked, as a call of `forward` does it.
std::vector<IValue> Normalize(const Module& module, const c10::FunctionSchema& schema, std::vector<IValue> inputs) {
  inputs.insert(inputs.begin(), module._ivalue());
  try {
    schema.checkAndNormalizeInputs(inputs);
  } catch (const std::exception& error) {
    throw Error("ERR_INVALID_ARGUMENT", "The example inputs don't fit the model's forward: " + FirstLine(error.what()),
                error.what());
  }
  inputs.erase(inputs.begin());
  return inputs;
}

}  // namespace

std::string FirstLine(const std::string& text) {
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    if (line.find_first_not_of(" \t\r") != std::string::npos) return line;
    begin = end + 1;
  }
  return text;
}

std::pair<Record, Recording> RecordModule(const Module& module, std::shared_ptr<const PreparedGraph> prepared,
                                          std::vector<IValue> inputs, const RecordOptions& options) {
  RegisterShapeKernels();
  KeepRandomState random;
  const c10::FunctionSchema& schema = module.get_method("forward").function().getSchema();
  inputs = Normalize(module, schema, std::move(inputs));
  Recording recording{prepared, schema, MapTensors(inputs, [](const at::Tensor& t) { return t.detach().clone(); }), {}};
  std::optional<Record> record;
  std::optional<RunFailure> failure;
  Way way = kWays[0];
  for (const Way each : kWays) {
    if (each.shapes && options.execute) continue;
    way = each;
    try {
      record = RunOnce(module, *prepared, inputs, way, options.check);
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
  record->executed = !way.shapes;
  if (IsFrozen(module, *record)) {
    throw Error("ERR_FROZEN_MODULE", "The module was frozen (torch.jit.freeze): its weights are constants");
  }
  RunSecond(module, *prepared, inputs, way, options, *record);
  for (const Op& op : record->ops) {
    for (size_t i = 0; i < op.inputs.size(); ++i) {
      if (!op.inputs[i].list) continue;
      recording.list_sizes.try_emplace({op.node, static_cast<int32_t>(i)}, op.inputs[i].items.size());
    }
  }
  return {std::move(*record), std::move(recording)};
}

void TryRun(const Module& module, const PreparedGraph& prepared, const std::vector<IValue>& inputs,
            const std::function<void()>& check) {
  KeepRandomState random;
  RunOnce(module, prepared, inputs, {false, true}, check);
}

}  // namespace espalier::script
