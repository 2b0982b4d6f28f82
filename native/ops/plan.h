#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>
#include <vector>

#include "ops/layout.h"

namespace espalier::ops {

constexpr int64_t kLayoutFields = 4;

// Layouts from their tensor, int64 [n, 4] on the CPU, checked against the tensors that they belong to and the arena's
// size.
std::vector<Layout> Layouts(const at::Tensor& layout, at::TensorList tensors, int64_t slots);

// A slice of a tensor belongs to a unit: int32 [k, 5] of tensor, dimension, coordinate, unit, scored (0 or 1).
constexpr int64_t kSliceFields = 5;

// layout, then which units make up the coefficient of each slot of the arena (begin [slots + 1], units), then which
// slots make up the importance of each unit (begin [units + 1], slots): int32 tensors, rows of a sparse matrix.
std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> Plan(at::TensorList tensors,
                                                                            const at::Tensor& slices, int64_t units);

}  // namespace espalier::ops
