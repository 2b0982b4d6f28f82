#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace espalier::script {

// What is cut of a value: by dimension, counted from the last (-1), the number of the list of indices that stay.
struct Widths {
  std::map<int64_t, int> dims;
  bool unknown = false;
  std::string from;                           // the tensor that it came from
  const torch::jit::Value* origin = nullptr;  // of what is unknown: values with the same one are as wide
  const torch::jit::Node* join = nullptr;     // an `if` that gives it, or another width where `forward` never goes

  static Widths Unknown(std::string from, const torch::jit::Value* origin) {
    return {{}, true, std::move(from), origin, nullptr};
  }

  bool None() const { return dims.empty() && !unknown; }
  bool Same(const Widths& other) const {
    return unknown == other.unknown && dims == other.dims && origin == other.origin;
  }
};

// What is known of the values before an operator.
class WidthsKnown {
 public:
  virtual ~WidthsKnown() = default;
  virtual const Widths& Of(const torch::jit::Value* value) const = 0;
  // The tensor itself where it is an attribute or a constant.
  virtual std::optional<at::Tensor> TensorOf(const torch::jit::Value* value) const = 0;
};

// What is cut of an operator's outputs; none where it is not known to be right as it stands.
using WidthRule = std::optional<Widths> (*)(const WidthsKnown& known, const torch::jit::Node* node);

// Null where there is none.
WidthRule RuleFor(const torch::jit::Node* node);

}  // namespace espalier::script
