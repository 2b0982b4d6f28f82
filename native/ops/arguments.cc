#include "ops/arguments.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>

#include "ops/plan.h"

namespace espalier::ops {

Alongside::Alongside(const at::Tensor& tensor, const at::Tensor& weight, const char* what) : tensor_(tensor) {
  TORCH_CHECK_VALUE(tensor.sizes() == weight.sizes() && tensor.scalar_type() == weight.scalar_type() &&
                        tensor.device() == weight.device(),
                    what, " ", tensor.toString(), " ", tensor.sizes(), " doesn't go with the weight ",
                    weight.toString(), " ", weight.sizes());
  if (tensor.numel() > 1 && tensor.strides() != weight.strides()) copy_ = at::empty_like(weight).copy_(tensor);
}

void Alongside::WriteBack() const {
  if (copy_.defined()) tensor_.copy_(copy_);
}

Tensors AllAlongside(at::TensorList tensors, at::TensorList weights, const char* what) {
  TORCH_CHECK_VALUE(tensors.size() == weights.size(), "there are ", tensors.size(), " ", what, "s for ", weights.size(),
                    " weights");
  Tensors all;
  all.reserve(tensors.size());
  // A weight that is left out of a call stands in for what it hasn't.
  for (size_t t = 0; t < tensors.size(); t++) {
    all.emplace_back(tensors[t].defined() ? tensors[t] : weights[t], weights[t], what);
  }
  return all;
}

std::vector<at::Tensor> Gradients(at::TensorList given, at::TensorList weights, const std::vector<Layout>& layouts) {
  if (!given.empty() || weights.empty()) return given.vec();
  std::vector<at::Tensor> own;
  own.reserve(weights.size());
  for (size_t t = 0; t < weights.size(); t++) {
    const at::Tensor& gradient = weights[t].grad();
    const bool is_zero = !gradient.defined() && IsPenalised(layouts[t]);
    own.push_back(is_zero ? at::zeros_like(weights[t]) : gradient);
  }
  return own;
}

void GiveGradients(at::TensorList given, at::TensorList weights, const std::vector<at::Tensor>& gradients) {
  for (size_t t = 0; given.empty() && t < weights.size(); t++) {
    if (gradients[t].defined() && !weights[t].grad().defined()) weights[t].mutable_grad() = gradients[t];
  }
}

std::vector<at::Tensor> Readable(at::TensorList tensors, at::ScalarType widest) {
  std::vector<at::Tensor> readable;
  readable.reserve(tensors.size());
  for (const at::Tensor& tensor : tensors) {
    const at::ScalarType dtype = tensor.scalar_type();
    const bool is_read = dtype == widest || dtype == at::kFloat || dtype == at::kHalf || dtype == at::kBFloat16;
    const at::Tensor dense = tensor.is_non_overlapping_and_dense() ? tensor : tensor.contiguous();
    readable.push_back(is_read || tensor.is_complex() ? dense : dense.to(widest));
  }
  return readable;
}

void Written(at::TensorList tensors) {
  for (const at::Tensor& tensor : tensors) {
    if (tensor.defined() && !tensor.is_inference()) tensor.unsafeGetTensorImpl()->bump_version();
  }
}

std::vector<Layout> CheckedLayouts(at::TensorList weights, const at::Tensor& layout, const at::Tensor& coefficients) {
  for (const at::Tensor& weight : weights) {
    TORCH_CHECK_VALUE(weight.is_non_overlapping_and_dense(), "a weight of sizes ", weight.sizes(), " and strides ",
                      weight.strides(), " has gaps or overlaps in memory");
    TORCH_CHECK_VALUE(weight.device() == coefficients.device(), "a weight is on ", weight.device(),
                      ", the coefficients are on ", coefficients.device());
  }
  CheckVector(coefficients, at::kFloat, "coefficients");
  return Layouts(layout, weights, coefficients.numel());
}

void CheckVector(const at::Tensor& tensor, at::ScalarType dtype, const char* what) {
  TORCH_CHECK_VALUE(tensor.scalar_type() == dtype && tensor.dim() == 1 && tensor.is_contiguous(), what,
                    " must be a contiguous ", dtype, " vector, not ", tensor.toString(), " ", tensor.sizes());
}

void CheckRowStarts(const at::Tensor& begins, int64_t rows, int64_t columns) {
  CheckVector(begins, at::kInt, "an index");
  TORCH_CHECK_VALUE(rows >= 0 && begins.numel() == rows + 1, "there must be ", rows + 1, " row starts, not ",
                    begins.numel());
  const int32_t* begin = begins.const_data_ptr<int32_t>();
  int32_t falls = begin[0] != 0 || begin[rows] != columns;
  for (int64_t row = 0; row < rows; row++) falls |= begin[row] > begin[row + 1];
  TORCH_CHECK_VALUE(falls == 0, "row starts must rise from 0 to ", columns);
}

void CheckColumns(const at::Tensor& columns, int64_t limit) {
  CheckVector(columns, at::kInt, "an index");
  const int32_t* column = columns.const_data_ptr<int32_t>();
  const int64_t count = columns.numel();
  const auto last = static_cast<int32_t>(std::min<int64_t>(limit, std::numeric_limits<int32_t>::max()) - 1);
  int32_t outside = 0;
  for (int64_t k = 0; k < count; k++) outside |= (column[k] < 0) | (column[k] > last);
  if (outside == 0) return;
  for (int64_t k = 0; k < count; k++) {
    TORCH_CHECK_VALUE(column[k] >= 0, "index ", column[k], " is below 0");
    TORCH_CHECK_VALUE(column[k] < limit, "index ", column[k], " isn't below ", limit);
  }
}

void CheckGrow(const at::Tensor& reg, const at::Tensor& skipped, const at::Tensor& sums, const at::Tensor& groups) {
  CheckVector(reg, at::kFloat, "reg");
  CheckVector(skipped, at::kInt, "skipped");
  CheckVector(sums, at::kFloat, "sums");
  TORCH_CHECK_VALUE(sums.numel() == reg.numel(), "there are ", sums.numel(), " sums for ", reg.numel(), " units");
  TORCH_CHECK_VALUE(groups.scalar_type() == at::kInt && groups.dim() == 2 && groups.size(1) == kGroupFields &&
                        groups.is_contiguous() && skipped.numel() == groups.size(0),
                    "groups must be an int32 tensor [", skipped.numel(), ", ", kGroupFields, "], not ",
                    groups.toString(), " ", groups.sizes());
}

void CheckGroups(const at::Tensor& groups, int64_t units) {
  const int32_t* group = groups.const_data_ptr<int32_t>();
  for (int64_t g = 0; g < groups.size(0); g++, group += kGroupFields) {
    const int64_t first = group[0], count = group[1];
    TORCH_CHECK_VALUE(first >= 0 && count >= 0 && first + count <= units, "group ", g, " has units up to ",
                      first + count, " of ", units);
  }
}

void CheckStep(int64_t step) { TORCH_CHECK_VALUE(step >= 1, "step counts from 1, not ", step); }

Norm NormNamed(std::string_view name, bool has_gradients) {
  const bool times_gradient = name == "times-gradient";
  TORCH_CHECK_VALUE(has_gradients == times_gradient, "times-gradient needs gradients, and only that");
  if (times_gradient) return Norm::kTimesGradient;
  if (name == "abs") return Norm::kAbs;
  if (name == "square") return Norm::kSquare;
  TORCH_CHECK_VALUE(false, "norm must be abs, square or times-gradient, not ", name);
}

}  // namespace espalier::ops
