#include "script/record/stage.h"

#include <c10/core/GradMode.h>

#include <map>
#include <optional>

#include "script/error.h"
#include "script/graph/scope.h"
#include "script/module/tensors.h"
#include "script/record/shapes.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Module;

namespace {

at::Device DeviceOf(const std::vector<OwnedTensor>& tensors) {
  return tensors.empty() ? at::Device(at::kCPU) : tensors[0].tensor.device();
}

}  // namespace

Stage StageFor(const Module& module, Way way) {
  const std::vector<OwnedTensor> originals = OwnedTensors(module);
  IValue::HashIdentityIValueMap copied;
  for (const OwnedTensor& owned : originals) {
    if (!way.shapes) break;
    const at::Tensor shape = Shapes::Of(owned.tensor);
    if (shape.is_meta()) copied.emplace(owned.tensor, shape);
  }
  Stage stage{Module(module._ivalue()->deepcopy(copied)), {}, way, DeviceOf(originals)};
  stage.module.eval();
  const std::vector<OwnedTensor> copies = OwnedTensors(stage.module);
  std::map<TensorKey, size_t> places;
  for (size_t i = 0; i < originals.size(); ++i) {
    const bool parameter = originals[i].kind == OwnedTensor::Kind::kParameter;
    at::Tensor tensor = copies[i].tensor;
    if (tensor.is_floating_point() && tensor.is_leaf()) tensor.set_requires_grad(way.grad && parameter);
    const auto [place, added] = places.try_emplace(KeyOf(originals[i].tensor), stage.owners.size());
    if (added) stage.owners.push_back({{}, parameter ? "parameter" : "buffer", {}});
    stage.owners[place->second].names.push_back(originals[i].name);
    stage.owners[place->second].tensors.push_back(tensor);
  }
  return stage;
}

Record RunOn(const Stage& stage, const PreparedGraph& prepared, const std::vector<IValue>& inputs,
             const std::function<void()>& check, Watch watch) {
  c10::AutoGradMode mode(stage.way.grad);
  std::optional<Shapes> shapes;
  if (stage.way.shapes) shapes.emplace(stage.device);
  const auto own = MapTensors(inputs, [&stage](const at::Tensor& tensor) {
    const at::Tensor shape = stage.way.shapes ? Shapes::Of(tensor.detach()) : tensor;
    return shape.is_meta() ? shape : tensor.detach().clone();
  });
  return Recorder(prepared, shapes, check, std::move(watch)).Run(stage.module, stage.owners, own);
}

std::string Where(const RunFailure& failure) {
  if (failure.node == nullptr) return "";
  const std::string scope = ScopeOf(failure.node);
  const std::string name = failure.raised ? "" : std::string(failure.node->kind().toQualString());
  if (name.empty() && scope.empty()) return "";
  return " (" + name + (name.empty() || scope.empty() ? "" : " ") + (scope.empty() ? "" : "in " + scope) + ")";
}

}  // namespace espalier::script
