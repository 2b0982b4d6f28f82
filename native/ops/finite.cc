// What a step of training waits for: one look at its losses and gradients, the same for every device.

#include <ATen/Parallel.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "ops/operators.h"

namespace espalier::ops {
namespace {

// Whether an exponent is all ones, which it is of infinities and NaNs alone. As integers, so that it takes what it
// takes to read them: a norm takes several times as long on a CPU.
template <class Bits, Bits kExponent>
bool IsBroken(const void* values, int64_t begin, int64_t end) {
  const Bits* bits = static_cast<const Bits*>(values);
  Bits broken = 0;
  for (int64_t k = begin; k < end; k++) broken |= static_cast<Bits>((bits[k] & kExponent) == kExponent);
  return broken != 0;
}

using Look = bool (*)(const void* values, int64_t begin, int64_t end);

// Null for other types.
Look LookOf(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return IsBroken<uint32_t, 0x7f800000>;
    case at::kDouble:
      return IsBroken<uint64_t, 0x7ff0000000000000>;
    case at::kHalf:
      return IsBroken<uint16_t, 0x7c00>;
    case at::kBFloat16:
      return IsBroken<uint16_t, 0x7f80>;
    default:
      return nullptr;
  }
}

struct Piece {
  Look look;
  const void* values;
  int64_t begin, end;
};

// 256 KB of float32.
constexpr int64_t kPiece = 65536;

bool AnyBroken(const std::vector<Piece>& pieces) {
  std::atomic<bool> any{false};
  at::parallel_for(0, static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const auto& [look, values, first, last] = pieces[k];
      if (look(values, first, last)) any = true;
    }
  });
  return any;
}

bool IsPlain(const at::Tensor& tensor) {
  return tensor.layout() == at::kStrided && tensor.is_cpu() && tensor.is_non_overlapping_and_dense() &&
         LookOf(tensor.scalar_type()) != nullptr;
}

at::Tensor Finite(at::TensorList losses, at::TensorList weights) {
  std::vector<at::Tensor> values, others;
  std::vector<Piece> pieces;
  for (const at::Tensor& loss : losses) values.push_back(loss.detach().reshape({}));
  for (const at::Tensor& weight : weights) {
    const at::Tensor& gradient = weight.grad();
    if (!gradient.defined() || gradient.numel() == 0) continue;
    if (!IsPlain(gradient)) {
      others.push_back(gradient);
      continue;
    }
    for (int64_t at = 0; at < gradient.numel(); at += kPiece) {
      pieces.push_back(
          {LookOf(gradient.scalar_type()), gradient.const_data_ptr(), at, std::min(at + kPiece, gradient.numel())});
    }
  }
  TORCH_CHECK(!AnyBroken(pieces), "a gradient is not finite");
  if (!others.empty()) {
    // The largest of each.
    for (at::Tensor& norm : at::_foreach_norm(others, std::numeric_limits<double>::infinity())) {
      values.push_back(std::move(norm));
    }
  }
  if (values.empty()) return at::empty({0}, at::kDouble);
  const at::Tensor all = at::stack(values).to(at::kCPU).to(at::kDouble);
  for (int64_t k = 0; k < all.numel(); k++) {
    TORCH_CHECK(std::isfinite(all.const_data_ptr<double>()[k]), "a loss or a gradient is not finite");
  }
  return all.narrow(0, 0, static_cast<int64_t>(losses.size())).clone();
}

void DropGradients(at::TensorList weights) {
  for (const at::Tensor& weight : weights) weight.mutable_grad() = at::Tensor();
}

}  // namespace

void RegisterFinite(torch::Library& library) {
  library.impl("finite", Finite);
  library.impl("drop_gradients_", DropGradients);
}

}  // namespace espalier::ops
