// Norms of all coordinates of all weights, in one read of them.

#include <ATen/ops/zeros.h>

#include "ops/cpu/batch.h"
#include "ops/operators.h"

namespace espalier::ops {
namespace {

// Elements of a chunk of whole rows. The columns' sums of a chunk are kept until all are done, so that they are added
// in one order however many threads there are.
constexpr int64_t kNormChunk = 524288;

at::Tensor Norms(at::TensorList weights, const at::Tensor& layout, int64_t slots, std::string_view norm,
                 std::optional<at::TensorList> gradients) {
  const Norm kind = NormNamed(norm, gradients.has_value());
  const at::Tensor sums = at::zeros({slots}, at::kFloat);
  Batch batch(weights, layout, sums);
  const Tensors alongside = gradients ? AllAlongside(*gradients, weights, "gradient") : Tensors{};
  batch.Set(&Weights::gradient, alongside);

  std::vector<Chunk> chunks;
  std::vector<int64_t> partial;  // where a chunk's column sums are
  int64_t partials = 0;
  for (size_t t = 0; t < weights.size(); t++) {
    const Layout& own = batch.layouts[t];
    if (weights[t].numel() == 0 || !IsPenalised(own)) continue;
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
  ForEach(chunks, [&](const Chunk& chunk, int64_t k) {
    const Layout& own = batch.layouts[chunk.tensor];
    batch.loops[chunk.tensor]->norms(batch.weights[chunk.tensor], chunk.begin, chunk.end, kind,
                                     own.row_offset < 0 ? nullptr : to + own.row_offset,
                                     own.column_offset < 0 ? nullptr : from + partial[k]);
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
      to[own.column_offset + i] = static_cast<float>(sum);
    }
    k = next;
  }
  return sums;
}

}  // namespace

void RegisterCpuNorms(torch::Library& library) { library.impl("norms", Norms); }

}  // namespace espalier::ops
