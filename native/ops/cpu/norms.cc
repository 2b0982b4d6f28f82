// Norms of all coordinates of all weights, and of units, in one read of them.

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <numeric>

#include "ops/cpu/batch.h"
#include "ops/operators.h"
#include "ops/plan.h"

namespace espalier::ops {
namespace {

// Elements of a chunk of whole rows. The columns' sums of a chunk are kept until all are done, so that they are added
// in one order however many threads there are.
constexpr int64_t kNormChunk = 524288;

void NormsOf(const Loops& loops, const Weights& weights, const Chunk& chunk, Norm norm, float* rows, double* columns) {
  loops.norms(weights, chunk.begin, chunk.end, norm, rows, columns);
}
void NormsOf(const Loops& loops, const Weights& weights, const Chunk& chunk, Norm norm, double* rows, double* columns) {
  loops.precise_norms(weights, chunk.begin, chunk.end, norm, rows, columns);
}

// One sum for each slot, of a type that decides how it is summed up.
template <class Sum>
void AddUp(const Batch& batch, Norm norm, Sum* to) {
  std::vector<Chunk> chunks;
  std::vector<int64_t> partial;  // where a chunk's column sums are
  int64_t partials = 0;
  for (size_t t = 0; t < batch.weights.size(); t++) {
    const Layout& own = batch.layouts[t];
    if (own.rows * own.columns == 0 || !IsPenalised(own)) continue;
    const int64_t rows = std::max<int64_t>(1, kNormChunk / own.columns);
    for (int64_t at = 0; at < own.rows; at += rows) {
      chunks.push_back({t, at, std::min(at + rows, own.rows)});
      partial.push_back(partials);
      if (own.column_offset >= 0) partials += own.columns;
    }
  }
  const at::Tensor column_sums = at::zeros({partials}, at::kDouble);
  double* const from = column_sums.data_ptr<double>();
  ForEach(chunks, [&](const Chunk& chunk, int64_t k) {
    const Layout& own = batch.layouts[chunk.tensor];
    NormsOf(*batch.loops[chunk.tensor], batch.weights[chunk.tensor], chunk, norm,
            own.row_offset < 0 ? nullptr : to + own.row_offset, own.column_offset < 0 ? nullptr : from + partial[k]);
  });
  // Chunks of one tensor follow each other.
  for (size_t k = 0; k < chunks.size();) {
    const size_t tensor = chunks[k].tensor;
    const Layout& own = batch.layouts[tensor];
    size_t next = k + 1;
    while (next < chunks.size() && chunks[next].tensor == tensor) next++;
    for (int64_t i = 0; own.column_offset >= 0 && i < own.columns; i++) {
      double sum = 0;
      for (size_t c = k; c < next; c++) sum += from[partial[c] + i];
      to[own.column_offset + i] = static_cast<Sum>(sum);
    }
    k = next;
  }
}

at::Tensor Norms(at::TensorList weights, const at::Tensor& layout, int64_t slots, std::string_view name,
                 std::optional<at::TensorList> gradients) {
  const Norm norm = NormNamed(name, gradients.has_value());
  const at::Tensor sums = at::zeros({slots}, at::kFloat);
  Batch batch(weights, layout, sums);
  const Tensors alongside = gradients ? AllAlongside(*gradients, weights, "gradient") : Tensors{};
  batch.Set(&Weights::gradient, alongside);
  AddUp(batch, norm, sums.data_ptr<float>());
  return sums;
}

at::Tensor UnitNorms(at::TensorList given, const at::Tensor& slices, int64_t units, std::string_view name,
                     std::optional<at::TensorList> gradients) {
  const Norm norm = NormNamed(name, gradients.has_value());
  const std::vector<at::Tensor> weights = Readable(given, at::kDouble);
  const auto [layout, scatter_begin, scatter_units, begin, slots] = Plan(weights, slices, units);
  const int64_t count = scatter_begin.numel() - 1;
  Batch batch(weights, Layouts(layout, weights, count));
  const std::vector<at::Tensor> along = gradients ? Readable(*gradients, at::kDouble) : std::vector<at::Tensor>{};
  const Tensors alongside = gradients ? AllAlongside(along, weights, "gradient") : Tensors{};
  batch.Set(&Weights::gradient, alongside);
  const at::Tensor sums = at::zeros({count}, at::kDouble), of_units = at::empty({units}, at::kDouble);
  AddUp(batch, norm, sums.data_ptr<double>());

  const int32_t *first = begin.const_data_ptr<int32_t>(), *slot = slots.const_data_ptr<int32_t>();
  const double* from = sums.const_data_ptr<double>();
  double* to = of_units.data_ptr<double>();
  for (int64_t unit = 0; unit < units; unit++) {
    to[unit] = std::accumulate(slot + first[unit], slot + first[unit + 1], 0.0,
                               [from](double sum, int32_t at) { return sum + from[at]; });
  }
  return of_units;
}

}  // namespace

void RegisterCpuNorms(torch::Library& library) {
  library.impl("norms", Norms);
  library.impl("unit_norms", UnitNorms);
}

}  // namespace espalier::ops
