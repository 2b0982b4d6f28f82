#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "ops/arguments.h"
#include "ops/cpu/loops.h"

namespace espalier::ops {

// The weights of one call, with what is done to them.
struct Batch {
  std::vector<Weights> weights;
  std::vector<const Loops*> loops;
  std::vector<Layout> layouts;

  Batch(at::TensorList tensors, const at::Tensor& layout, const at::Tensor& coefficients);
  // Weights that are only measured.
  Batch(at::TensorList tensors, std::vector<Layout> layouts, const float* coefficients = nullptr);

  void Set(void* Weights::*field, const Tensors& tensors) {
    for (size_t t = 0; t < tensors.size(); t++) weights[t].*field = tensors[t].data();
  }
  // The gradients of the call; weights without one are left out of it.
  std::vector<at::Tensor> SetGradients(at::TensorList given, at::TensorList tensors, Tensors& alongside);
};

// Elements of one tensor, or rows.
struct Chunk {
  size_t tensor;
  int64_t begin, end;
};

template <class Body>
void ForEach(const std::vector<Chunk>& chunks, Body body) {
  at::parallel_for(0, static_cast<int64_t>(chunks.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) body(chunks[k], k);
  });
}

// 256 KB of float32: enough to hide the cost of a start, little enough to share out.
constexpr int64_t kChunk = 65536;

// body(loops, weights, begin, end) for fixed-size pieces of all tensors together.
template <class Body>
void ForChunks(const Batch& batch, Body body) {
  std::vector<Chunk> chunks;
  for (size_t t = 0; t < batch.weights.size(); t++) {
    const int64_t size = batch.weights[t].layout.rows * batch.weights[t].layout.columns;
    for (int64_t at = 0; at < size; at += kChunk) chunks.push_back({t, at, std::min(at + kChunk, size)});
  }
  ForEach(chunks, [&](const Chunk& chunk, int64_t) {
    body(*batch.loops[chunk.tensor], batch.weights[chunk.tensor], chunk.begin, chunk.end);
  });
}

}  // namespace espalier::ops
