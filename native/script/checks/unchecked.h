#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>

#include <string>
#include <unordered_map>
#include <vector>

namespace espalier::script {

// The arguments of an operator, by place or by name.
class Call {
 public:
  Call(const c10::FunctionSchema& schema, at::ArrayRef<c10::IValue> arguments)
      : schema_(schema), arguments_(arguments) {}

  const c10::FunctionSchema& Schema() const { return schema_; }
  const c10::IValue& Place(size_t place) const { return arguments_[place]; }
  const c10::IValue& At(const char* name) const;
  bool Has(const char* name) const { return schema_.argumentIndexWithName(name).has_value(); }
  // A list of tensors, or a single one.
  std::vector<at::Tensor> Tensors(const char* name) const;

 private:
  const c10::FunctionSchema& schema_;
  at::ArrayRef<c10::IValue> arguments_;
};

// Refuses a call, by throwing.
using Check = void (*)(const Call&);

// Some operators of LibTorch end the process, or never end, where their arguments don't fit: what to ask before they
// run, by their names.
using Checks = std::unordered_map<std::string, Check>;
const Checks& ChecksOfTensors();
const Checks& ChecksOfValues();
const Checks& ChecksOfNumbers();
const Checks& ChecksOfInternals();

}  // namespace espalier::script
