#pragma once

#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <string>
#include <vector>

namespace espalier::script {

// A tensor that a module owns.
struct OwnedTensor {
  enum class Kind { kParameter, kBuffer, kAttribute };
  std::string name;  // qualified; an element of a list is "rnn._flat_weights.0"
  Kind kind;
  at::Tensor tensor;
};

// All tensors of the module: parameters and buffers in the order of the state_dict, then those in other attributes.
std::vector<OwnedTensor> OwnedTensors(const torch::jit::Module& module);

// The values with every tensor in them replaced by `change` of it; containers are new.
std::vector<c10::IValue> MapTensors(const std::vector<c10::IValue>& values,
                                    const std::function<at::Tensor(const at::Tensor&)>& change);

// Two tensors with the same key are one: a file keeps tied tensors as two that share all of their memory.
using TensorKey = std::vector<int64_t>;
TensorKey KeyOf(const at::Tensor& tensor);

}  // namespace espalier::script
