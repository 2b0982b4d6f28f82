#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>
#include <vector>

#include "ops/layout.h"
#include "ops/norm.h"

// Checks of what the operators are given, the same for every device. All throw ValueError or TypeError, with the value.
namespace espalier::ops {

// A tensor whose memory is read in the order of another: itself, or a copy that is written back.
class Alongside {
 public:
  Alongside(const at::Tensor& tensor, const at::Tensor& weight, const char* what);
  void* data() const { return const_cast<void*>((copy_.defined() ? copy_ : tensor_).const_data_ptr()); }
  void WriteBack() const;

 private:
  at::Tensor tensor_, copy_;
};

using Tensors = std::vector<Alongside>;

// One tensor for each weight, of its shape, dtype and device.
Tensors AllAlongside(at::TensorList tensors, at::TensorList weights, const char* what);

// The gradients of a call: those given, or, for an empty list, those that the weights have. A penalised weight without
// one has a loss gradient of zero; for any other the tensor is undefined: the call leaves it out.
std::vector<at::Tensor> Gradients(at::TensorList given, at::TensorList weights, const std::vector<Layout>& layouts);

// Hands a weight the gradient that it got by the call, where none were given.
void GiveGradients(at::TensorList given, at::TensorList weights, const std::vector<at::Tensor>& gradients);

// Whether some of its dimensions are penalised.
inline bool IsPenalised(const Layout& layout) { return layout.row_offset >= 0 || layout.column_offset >= 0; }

// Dense tensors of a dtype that the loops read, themselves or copies. `widest` is the widest of these, which others
// become.
std::vector<at::Tensor> Readable(at::TensorList tensors, at::ScalarType widest);

// Autograd notices that a tensor that it saved has changed.
void Written(at::TensorList tensors);

// Weights are dense, the arena is a contiguous float32 vector; gives the layouts.
std::vector<Layout> CheckedLayouts(at::TensorList weights, const at::Tensor& layout, const at::Tensor& coefficients);

void CheckVector(const at::Tensor& tensor, at::ScalarType dtype, const char* what);

// A sparse matrix as Plan gives it, on the CPU: row r has columns[begin[r]] up to columns[begin[r + 1]], all below
// `limit`.
void CheckRowStarts(const at::Tensor& begins, int64_t rows, int64_t columns);
void CheckColumns(const at::Tensor& columns, int64_t limit);

// int32 [groups, 2]: first unit, number of units.
constexpr int64_t kGroupFields = 2;

// The arguments of reg_grow_, but for what is in `groups`.
void CheckGrow(const at::Tensor& reg, const at::Tensor& skipped, const at::Tensor& sums, const at::Tensor& groups);
// What is in `groups`, which lies on the CPU.
void CheckGroups(const at::Tensor& groups, int64_t units);

// AdamW's steps count from 1.
void CheckStep(int64_t step);

Norm NormNamed(std::string_view name, bool has_gradients);

}  // namespace espalier::ops
