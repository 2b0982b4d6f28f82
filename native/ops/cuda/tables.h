#pragma once

#include <cstdint>
#include <vector>

#include "ops/layout.h"

// What the kernels read of the tensors of one call: plain numbers, made on the host once for a set of tensors and kept
// on the device. Memory of weights, gradients and moments is not in here: it is given with every launch.
namespace espalier::cuda {

using ops::Layout;

constexpr uint32_t kThreads = 256;
constexpr uint32_t kWarp = 32;
constexpr uint32_t kWarps = kThreads / kWarp;
// Elements of one block of the kernels that go over elements.
constexpr uint32_t kChunk = 8192;
// Rows and columns of one block of the norms: a warp goes over a row, a lane over four columns.
constexpr uint32_t kTileRows = 64;
constexpr uint32_t kLaneColumns = 4;
constexpr uint32_t kTileColumns = kWarp * kLaneColumns;

// n / value for n < 2^31, without a division: Granlund and Montgomery, Division by Invariant Integers (PLDI 1994), 4.1.
struct Divisor {
  uint32_t value, multiplier, shift;
};

inline Divisor DivideBy(uint32_t value) {
  uint32_t shift = 0;
  while ((uint64_t{1} << shift) < value) shift++;
  const uint64_t multiplier = ((uint64_t{1} << 32) * ((uint64_t{1} << shift) - value)) / value + 1;
  return {value, static_cast<uint32_t>(multiplier), shift};
}

struct alignas(16) TensorDesc {
  uint32_t elements;  // below 2^31
  uint32_t first_chunk;
  int32_t row_offset;  // in the arena, or -1
  int32_t column_offset;
  Divisor columns;
  uint32_t rows;
  // Norms.
  uint32_t first_tile;
  Divisor tiles_across;                    // tiles side by side
  uint32_t row_partials, column_partials;  // where the partial sums start
  uint32_t tiles_down;
  uint32_t unused;
};
static_assert(sizeof(TensorDesc) == 64, "read by one warp in one go");

// 256 slots of the arena that one block of the last step of the norms adds up.
struct SlotBlock {
  uint32_t tensor;
  uint32_t columns;  // 0: the slots of rows
  uint32_t start;
};

struct Tables {
  std::vector<TensorDesc> tensors;
  std::vector<uint32_t> chunks;  // the tensor of each chunk
  std::vector<uint32_t> tiles;   // the tensor of each tile
  std::vector<SlotBlock> slot_blocks;
  uint32_t partials = 0;
};

inline Tables MakeTables(const std::vector<Layout>& layouts) {
  Tables tables;
  const auto parts = [](uint32_t size, uint32_t part) { return (size + part - 1) / part; };
  for (const Layout& layout : layouts) {
    const auto index = static_cast<uint32_t>(tables.tensors.size());
    const auto rows = static_cast<uint32_t>(layout.rows), columns = static_cast<uint32_t>(layout.columns);
    TensorDesc desc{};
    desc.elements = rows * columns;
    desc.rows = rows;
    desc.row_offset = static_cast<int32_t>(layout.row_offset);
    desc.column_offset = static_cast<int32_t>(layout.column_offset);
    desc.columns = DivideBy(columns > 0 ? columns : 1);
    desc.first_chunk = static_cast<uint32_t>(tables.chunks.size());
    tables.chunks.insert(tables.chunks.end(), parts(desc.elements, kChunk), index);

    desc.first_tile = static_cast<uint32_t>(tables.tiles.size());
    const uint32_t across = parts(columns, kTileColumns), down = parts(rows, kTileRows);
    desc.tiles_across = DivideBy(across > 0 ? across : 1);
    desc.tiles_down = down;
    const bool measured = layout.row_offset >= 0 || layout.column_offset >= 0;
    if (measured) tables.tiles.insert(tables.tiles.end(), across * down, index);
    desc.row_partials = tables.partials;
    if (layout.row_offset >= 0) tables.partials += across * rows;
    desc.column_partials = tables.partials;
    if (layout.column_offset >= 0) tables.partials += down * columns;
    tables.tensors.push_back(desc);
    for (uint32_t start = 0; layout.row_offset >= 0 && start < rows; start += kThreads) {
      tables.slot_blocks.push_back({index, 0, start});
    }
    for (uint32_t start = 0; layout.column_offset >= 0 && start < columns; start += kThreads) {
      tables.slot_blocks.push_back({index, 1, start});
    }
  }
  return tables;
}

}  // namespace espalier::cuda
