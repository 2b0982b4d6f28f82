#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>

#include <vector>

namespace espalier::script {

// Runs a program on shapes alone: tensors of floating-point numbers have no memory ("meta") and cost nothing, while
// whole numbers and single values (sizes, indices, masks) are computed for real, as the program may branch on them. An
// operator that needs more throws, and the program has to be run for real.
class Shapes {
 public:
  // `device`: where the model is; the program is told that its tensors are there.
  explicit Shapes(at::Device device) : device_(device) {}

  // The tensor without memory, or itself where its values are kept.
  static at::Tensor Of(const at::Tensor& tensor);

  // Call before and after an operator, with its arguments and with its results.
  void Enter(const c10::FunctionSchema* schema, std::vector<c10::IValue>& stack) const;
  void Leave(std::vector<c10::IValue>& results) const;

 private:
  at::Device device_;
};

}  // namespace espalier::script
