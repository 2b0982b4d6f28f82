// The CPU implementations of the operators in operators.cc: fixed-size chunks over all tensors together, in parallel.

#include "ops/operators.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "ops/cpu/loops.h"
#include "ops/plan.h"

namespace espalier::ops {
namespace {

bool HasV3() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

const Loops& LoopsOf(at::ScalarType dtype) {
  static const bool has_v3 = HasV3();
  const auto of = [](Precision precision) -> const Loops& {
#if defined(__x86_64__)
    if (has_v3) return v3::Of(precision);
#endif
    return baseline::Of(precision);
  };
  switch (dtype) {
    case at::kFloat:
      return of(Precision::kFloat);
    case at::kDouble:
      return of(Precision::kDouble);
    case at::kHalf:
      return of(Precision::kHalf);
    case at::kBFloat16:
      return of(Precision::kBFloat16);
    default:
      TORCH_CHECK_TYPE(false, "weights must be float32, float64, float16 or bfloat16, not ", dtype);
  }
}

// A tensor whose memory is read in the order of another: itself, or a copy that is written back.
class Alongside {
 public:
  Alongside(const at::Tensor& tensor, const at::Tensor& weight, const char* what) : tensor_(tensor) {
    TORCH_CHECK_VALUE(tensor.sizes() == weight.sizes() && tensor.scalar_type() == weight.scalar_type() &&
                          tensor.device() == weight.device(),
                      what, " ", tensor.toString(), " ", tensor.sizes(), " doesn't go with the weight ",
                      weight.toString(), " ", weight.sizes());
    if (tensor.numel() > 1 && tensor.strides() != weight.strides()) copy_ = at::empty_like(weight).copy_(tensor);
  }
  void* data() const { return const_cast<void*>((copy_.defined() ? copy_ : tensor_).const_data_ptr()); }
  void WriteBack() const {
    if (copy_.defined()) tensor_.copy_(copy_);
  }

 private:
  at::Tensor tensor_, copy_;
};

using Tensors = std::vector<Alongside>;

Tensors AllAlongside(at::TensorList tensors, at::TensorList weights, const char* what) {
  TORCH_CHECK_VALUE(tensors.size() == weights.size(), "there are ", tensors.size(), " ", what, "s for ", weights.size(),
                    " weights");
  Tensors all;
  all.reserve(tensors.size());
  for (size_t t = 0; t < tensors.size(); t++) all.emplace_back(tensors[t], weights[t], what);
  return all;
}

// Autograd notices that a tensor that it saved has changed.
void Written(at::TensorList tensors) {
  for (const at::Tensor& tensor : tensors) {
    if (!tensor.is_inference()) tensor.unsafeGetTensorImpl()->bump_version();
  }
}

void CheckWeights(at::TensorList weights) {
  for (const at::Tensor& weight : weights) {
    TORCH_CHECK_VALUE(weight.is_non_overlapping_and_dense(), "a weight of sizes ", weight.sizes(), " and strides ",
                      weight.strides(), " has gaps or overlaps in memory");
  }
}

const float* CheckArena(const at::Tensor& coefficients) {
  TORCH_CHECK_VALUE(coefficients.scalar_type() == at::kFloat && coefficients.dim() == 1 && coefficients.is_contiguous(),
                    "coefficients must be a contiguous float32 vector, not ", coefficients.toString(), " ",
                    coefficients.sizes());
  return coefficients.const_data_ptr<float>();
}

// The weights of one call, with what is done to them.
struct Batch {
  std::vector<Weights> weights;
  std::vector<const Loops*> loops;

  Batch(at::TensorList tensors, const at::Tensor& layout, const at::Tensor& coefficients) {
    CheckWeights(tensors);
    const float* arena = CheckArena(coefficients);
    const std::vector<Layout> layouts = Layouts(layout, tensors, coefficients.numel());
    for (size_t t = 0; t < tensors.size(); t++) {
      void* data = const_cast<void*>(tensors[t].const_data_ptr());
      weights.push_back({layouts[t], arena, data, nullptr, nullptr, nullptr});
      loops.push_back(&LoopsOf(tensors[t].scalar_type()));
    }
  }

  void Set(void* Weights::*field, const Tensors& tensors) {
    for (size_t t = 0; t < tensors.size(); t++) weights[t].*field = tensors[t].data();
  }

  // Whether some of its dimensions are penalised.
  bool Penalised(size_t t) const { return weights[t].layout.row_offset >= 0 || weights[t].layout.column_offset >= 0; }
};

// The gradients of a call: those given, or, for an empty list, those that the weights have. A penalised weight without
// one has a loss gradient of zero; any other is left out of the call.
std::vector<at::Tensor> Gradients(at::TensorList given, at::TensorList weights, Batch& batch) {
  if (!given.empty() || weights.empty()) return given.vec();
  std::vector<at::Tensor> own;
  for (size_t t = 0; t < weights.size(); t++) {
    at::Tensor gradient = weights[t].grad();
    if (!gradient.defined() && !batch.Penalised(t)) batch.weights[t].layout.rows = 0;
    own.push_back(gradient.defined() ? gradient : at::zeros_like(weights[t]));
  }
  return own;
}

struct Chunk {
  size_t tensor;
  int64_t begin, end;
};

// 256 KB of float32: enough to hide the cost of a start, little enough to share out.
constexpr int64_t kChunk = 65536;

template <class Body>
void ForChunks(const Batch& batch, Body body) {
  std::vector<Chunk> chunks;
  for (size_t t = 0; t < batch.weights.size(); t++) {
    const int64_t size = batch.weights[t].layout.rows * batch.weights[t].layout.columns;
    for (int64_t at = 0; at < size; at += kChunk) chunks.push_back({t, at, std::min(at + kChunk, size)});
  }
  at::parallel_for(0, static_cast<int64_t>(chunks.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) body(chunks[k]);
  });
}

void RegApply(at::TensorList gradients, at::TensorList weights, const at::Tensor& layout,
              const at::Tensor& coefficients, double scale) {
  Batch batch(weights, layout, coefficients);
  const std::vector<at::Tensor> onto = Gradients(gradients, weights, batch);
  const Tensors alongside = AllAlongside(onto, weights, "gradient");
  batch.Set(&Weights::gradient, alongside);
  ForChunks(batch, [&](const Chunk& chunk) {
    batch.loops[chunk.tensor]->apply(batch.weights[chunk.tensor], chunk.begin, chunk.end, scale);
  });
  for (const Alongside& gradient : alongside) gradient.WriteBack();
  Written(onto);
  for (size_t t = 0; gradients.empty() && t < weights.size(); t++) {
    if (batch.Penalised(t) && !weights[t].grad().defined()) weights[t].mutable_grad() = onto[t];
  }
}

void Sgd(at::TensorList weights, at::TensorList gradients, at::TensorList velocities, const at::Tensor& layout,
         const at::Tensor& coefficients, double lr, double momentum, double weight_decay, bool nesterov,
         bool decoupled) {
  Batch batch(weights, layout, coefficients);
  const std::vector<at::Tensor> with = Gradients(gradients, weights, batch);
  const Tensors alongside = AllAlongside(with, weights, "gradient");
  batch.Set(&Weights::gradient, alongside);
  const Tensors kept = momentum == 0 ? Tensors{} : AllAlongside(velocities, weights, "velocity");
  batch.Set(&Weights::first, kept);
  const SgdRule rule{lr, momentum, weight_decay, nesterov, decoupled};
  ForChunks(batch, [&](const Chunk& chunk) {
    batch.loops[chunk.tensor]->sgd(batch.weights[chunk.tensor], chunk.begin, chunk.end, rule);
  });
  for (const Alongside& velocity : kept) velocity.WriteBack();
  Written(weights);
  Written(velocities);
}

void Adamw(at::TensorList weights, at::TensorList gradients, at::TensorList means, at::TensorList squares,
           const at::Tensor& layout, const at::Tensor& coefficients, int64_t step, double lr, double beta1,
           double beta2, double eps, double weight_decay, bool decoupled) {
  TORCH_CHECK_VALUE(step >= 1, "step counts from 1, not ", step);
  Batch batch(weights, layout, coefficients);
  const std::vector<at::Tensor> with = Gradients(gradients, weights, batch);
  const Tensors alongside = AllAlongside(with, weights, "gradient");
  batch.Set(&Weights::gradient, alongside);
  const Tensors first = AllAlongside(means, weights, "first moment");
  const Tensors second = AllAlongside(squares, weights, "second moment");
  batch.Set(&Weights::first, first);
  batch.Set(&Weights::second, second);
  const AdamwRule rule{lr,       beta1, beta2, eps, weight_decay, 1 - std::pow(beta1, step), 1 - std::pow(beta2, step),
                       decoupled};
  ForChunks(batch, [&](const Chunk& chunk) {
    batch.loops[chunk.tensor]->adamw(batch.weights[chunk.tensor], chunk.begin, chunk.end, rule);
  });
  for (const Tensors* moments : {&first, &second}) {
    for (const Alongside& moment : *moments) moment.WriteBack();
  }
  for (at::TensorList written : {weights, means, squares}) Written(written);
}

Norm NormNamed(std::string_view name) {
  if (name == "abs") return Norm::kAbs;
  if (name == "square") return Norm::kSquare;
  if (name == "times-gradient") return Norm::kTimesGradient;
  TORCH_CHECK_VALUE(false, "norm must be abs, square or times-gradient, not ", name);
}

// Elements of a chunk of whole rows. The columns' sums of a chunk are kept until all are done, so that they are added
// in one order however many threads there are.
constexpr int64_t kNormChunk = 262144;

at::Tensor Norms(at::TensorList weights, const at::Tensor& layout, int64_t slots, std::string_view norm,
                 std::optional<at::TensorList> gradients) {
  const Norm kind = NormNamed(norm);
  TORCH_CHECK_VALUE(gradients.has_value() == (kind == Norm::kTimesGradient),
                    "times-gradient needs gradients, and only that");
  const at::Tensor sums = at::zeros({slots}, at::kFloat);
  Batch batch(weights, layout, sums);
  const Tensors alongside = gradients ? AllAlongside(*gradients, weights, "gradient") : Tensors{};
  batch.Set(&Weights::gradient, alongside);

  std::vector<Chunk> chunks;
  std::vector<int64_t> partial;  // where a chunk's column sums are
  int64_t partials = 0;
  for (size_t t = 0; t < weights.size(); t++) {
    const Layout& own = batch.weights[t].layout;
    if (weights[t].numel() == 0 || (own.row_offset < 0 && own.column_offset < 0)) continue;
    const int64_t rows = std::max<int64_t>(1, kNormChunk / own.columns);
    for (int64_t at = 0; at < own.rows; at += rows) {
      chunks.push_back({t, at, std::min(at + rows, own.rows)});
      partial.push_back(partials);
      if (own.column_offset >= 0) partials += own.columns;
    }
  }
  const at::Tensor column_sums = at::zeros({partials}, at::kDouble);
  float* const to = sums.data_ptr<float>();
  double* const from = column_sums.data_ptr<double>();
  at::parallel_for(0, static_cast<int64_t>(chunks.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const Chunk& chunk = chunks[k];
      const Weights& own = batch.weights[chunk.tensor];
      batch.loops[chunk.tensor]->norms(own, chunk.begin, chunk.end, kind,
                                       own.layout.row_offset < 0 ? nullptr : to + own.layout.row_offset,
                                       own.layout.column_offset < 0 ? nullptr : from + partial[k]);
    }
  });
  // Chunks of one tensor follow each other.
  for (size_t k = 0; k < chunks.size();) {
    const size_t tensor = chunks[k].tensor;
    const Layout& own = batch.weights[tensor].layout;
    size_t next = k + 1;
    while (next < chunks.size() && chunks[next].tensor == tensor) next++;
    for (int64_t i = 0; own.column_offset >= 0 && i < own.columns; i++) {
      double sum = 0;
      for (size_t c = k; c < next; c++) sum += from[partial[c] + i];
      to[own.column_offset + i] = static_cast<float>(sum);
    }
    k = next;
  }
  return sums;
}

// A sparse matrix as Plan gives it, checked: row r has columns[begin[r]] up to columns[begin[r + 1]], all below
// `limit`.
struct Sparse {
  const int32_t* begin;
  const int32_t* columns;

  Sparse(const at::Tensor& begins, const at::Tensor& all, int64_t rows, int64_t limit) {
    for (const at::Tensor* tensor : {&begins, &all}) {
      TORCH_CHECK_VALUE(tensor->scalar_type() == at::kInt && tensor->dim() == 1 && tensor->is_contiguous(),
                        "an index must be a contiguous int32 vector, not ", tensor->toString(), " ", tensor->sizes());
    }
    TORCH_CHECK_VALUE(begins.numel() == rows + 1, "there must be ", rows + 1, " row starts, not ", begins.numel());
    begin = begins.const_data_ptr<int32_t>();
    columns = all.const_data_ptr<int32_t>();
    bool rising = begin[0] == 0 && begin[rows] == all.numel();
    for (int64_t row = 0; row < rows; row++) rising &= begin[row] <= begin[row + 1];
    TORCH_CHECK_VALUE(rising, "row starts must rise from 0 to ", all.numel());
    int32_t least = 0, most = -1;
    for (int64_t k = 0; k < all.numel(); k++) {
      least = std::min(least, columns[k]);
      most = std::max(most, columns[k]);
    }
    TORCH_CHECK_VALUE(least >= 0, "index ", least, " is below 0");
    TORCH_CHECK_VALUE(most < limit, "index ", most, " isn't below ", limit);
  }
};

void CheckVector(const at::Tensor& tensor, at::ScalarType dtype, const char* what) {
  TORCH_CHECK_VALUE(tensor.scalar_type() == dtype && tensor.dim() == 1 && tensor.is_contiguous(), what,
                    " must be a contiguous ", dtype, " vector, not ", tensor.toString(), " ", tensor.sizes());
}

void RegScatter(const at::Tensor& coefficients, const at::Tensor& reg, const at::Tensor& begin,
                const at::Tensor& units) {
  CheckVector(coefficients, at::kFloat, "coefficients");
  CheckVector(reg, at::kFloat, "reg");
  const Sparse of(begin, units, coefficients.numel(), reg.numel());
  float* to = coefficients.data_ptr<float>();
  const float* from = reg.const_data_ptr<float>();
  for (int64_t slot = 0; slot < coefficients.numel(); slot++) {
    float sum = 0;
    for (int32_t k = of.begin[slot]; k < of.begin[slot + 1]; k++) sum += from[of.columns[k]];
    to[slot] = sum;
  }
  Written({coefficients});
}

at::Tensor UnitSums(const at::Tensor& norms, const at::Tensor& begin, const at::Tensor& slots) {
  CheckVector(norms, at::kFloat, "norms");
  const Sparse of(begin, slots, begin.numel() - 1, norms.numel());
  const at::Tensor sums = at::empty({begin.numel() - 1}, at::kFloat);
  float* to = sums.data_ptr<float>();
  const float* from = norms.const_data_ptr<float>();
  for (int64_t unit = 0; unit < sums.numel(); unit++) {
    double sum = 0;
    for (int32_t k = of.begin[unit]; k < of.begin[unit + 1]; k++) sum += from[of.columns[k]];
    to[unit] = static_cast<float>(sum);
  }
  return sums;
}

// One growth step of one group, in float: s = (max I - I) / (max I - min I + 1e-8), reg = min(reg + delta * s,
// ceiling). False when an importance is not finite; nothing is written then.
bool Grow(float* reg, float* importance, const float* sums, int64_t count, float delta, float ceiling) {
  double total = 0;
  for (int64_t unit = 0; unit < count; unit++) total += sums[unit];
  const double mean = total / static_cast<double>(count);
  float most = -std::numeric_limits<float>::infinity(), least = std::numeric_limits<float>::infinity();
  bool finite = true;
  for (int64_t unit = 0; unit < count; unit++) {
    importance[unit] = static_cast<float>(mean == 0 ? sums[unit] : sums[unit] / mean);
    finite = finite && std::isfinite(importance[unit]);
    most = std::max(most, importance[unit]);
    least = std::min(least, importance[unit]);
  }
  const float range = most - least + 1e-8f;
  for (int64_t unit = 0; finite && unit < count; unit++) {
    reg[unit] = std::min(reg[unit] + delta * ((most - importance[unit]) / range), ceiling);
  }
  return finite;
}

// int32 [groups, 2]: first unit, number of units.
constexpr int64_t kGroupFields = 2;

at::Tensor RegGrow(const at::Tensor& reg, const at::Tensor& skipped, const at::Tensor& sums, const at::Tensor& groups,
                   double delta, double ceiling) {
  CheckVector(reg, at::kFloat, "reg");
  CheckVector(skipped, at::kInt, "skipped");
  CheckVector(sums, at::kFloat, "sums");
  TORCH_CHECK_VALUE(sums.numel() == reg.numel(), "there are ", sums.numel(), " sums for ", reg.numel(), " units");
  TORCH_CHECK_VALUE(groups.scalar_type() == at::kInt && groups.dim() == 2 && groups.size(1) == kGroupFields &&
                        groups.is_contiguous() && skipped.numel() == groups.size(0),
                    "groups must be an int32 tensor [", skipped.numel(), ", ", kGroupFields, "], not ",
                    groups.toString(), " ", groups.sizes());
  const at::Tensor importance = at::empty({reg.numel()}, at::kFloat);
  const int32_t* group = groups.const_data_ptr<int32_t>();
  for (int64_t g = 0; g < groups.size(0); g++, group += kGroupFields) {
    const int64_t first = group[0], count = group[1];
    TORCH_CHECK_VALUE(first >= 0 && count >= 0 && first + count <= reg.numel(), "group ", g, " has units up to ",
                      first + count, " of ", reg.numel());
    if (!Grow(reg.data_ptr<float>() + first, importance.data_ptr<float>() + first, sums.const_data_ptr<float>() + first,
              count, static_cast<float>(delta), static_cast<float>(ceiling))) {
      skipped.data_ptr<int32_t>()[g]++;
    }
  }
  Written({reg, skipped});
  return importance;
}

}  // namespace

void RegisterCpu(torch::Library& library) {
  library.impl("reg_apply_", RegApply);
  library.impl("reg_scatter_", RegScatter);
  library.impl("reg_grow_", RegGrow);
  library.impl("norms", Norms);
  library.impl("unit_sums", UnitSums);
  library.impl("sgd_", Sgd);
  library.impl("adamw_", Adamw);
}

}  // namespace espalier::ops
