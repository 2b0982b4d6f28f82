#include "script/record/shapes.h"

#include <ATen/Functions.h>

#include "script/module/tensors.h"
#include "script/record/shape_dtypes.h"

namespace espalier::script {

using c10::IValue;

namespace {

bool IsShape(const at::Tensor& tensor) { return tensor.defined() && tensor.is_meta(); }
bool HasValues(const at::Tensor& tensor) { return tensor.defined() && !tensor.is_meta(); }

bool IsPlainFloat(const at::Tensor& tensor) {
  return tensor.defined() && tensor.layout() == c10::kStrided && !tensor.is_quantized() &&
         (tensor.is_floating_point() || tensor.is_complex());
}

at::Tensor WithoutMemory(const at::Tensor& tensor) {
  const at::Tensor shape =
      at::empty_strided(tensor.sizes(), tensor.strides(), tensor.options().device(at::kMeta).requires_grad(false));
  if (tensor.requires_grad()) shape.set_requires_grad(true);
  return shape;
}

bool Holds(const IValue& value, bool (*test)(const at::Tensor&)) {
  if (value.isTensor()) return test(value.toTensor());
  if (value.isList()) {
    for (const IValue& item : value.toList()) {
      if (Holds(item, test)) return true;
    }
  } else if (value.isTuple()) {
    for (const IValue& item : value.toTupleRef().elements()) {
      if (Holds(item, test)) return true;
    }
  }
  return false;
}

// A single value may stay among shapes: operators take it as they take a number.
bool MustChange(const at::Tensor& tensor) { return HasValues(tensor) && tensor.dim() > 0; }

bool BecomesShape(const at::Tensor& tensor) { return MustChange(tensor) && IsPlainFloat(tensor); }

// Containers are only made anew where something in them changes.
void Change(IValue& value, bool (*test)(const at::Tensor&)) {
  if (!Holds(value, test)) return;
  value = MapTensors({value}, [test](const at::Tensor& t) { return test(t) ? WithoutMemory(t) : t; })[0];
}

}  // namespace

at::Tensor Shapes::Of(const at::Tensor& tensor) { return BecomesShape(tensor) ? WithoutMemory(tensor) : tensor; }

void Shapes::Enter(const c10::FunctionSchema* schema, std::vector<IValue>& stack) const {
  bool any = false;
  for (const IValue& value : stack) any = any || Holds(value, IsShape);
  if (!any) return;
  if (schema != nullptr) CheckDTypes(*schema, stack);
  for (size_t i = 0; i < stack.size(); ++i) {
    if (stack[i].isDevice()) {
      stack[i] = at::Device(at::kMeta);
      continue;
    }
    const auto* alias =
        schema != nullptr && i < schema->arguments().size() ? schema->arguments()[i].alias_info() : nullptr;
    TORCH_CHECK(alias == nullptr || !alias->isWrite() || !Holds(stack[i], HasValues),
                "values would be written that shapes alone don't tell");
    Change(stack[i], MustChange);
  }
}

void Shapes::Leave(std::vector<IValue>& results) const {
  for (IValue& value : results) {
    if (value.isDevice() && value.toDevice().is_meta()) value = device_;
    Change(value, BecomesShape);
  }
}

}  // namespace espalier::script
