#pragma once

#include <cstdint>

namespace espalier::ops {

// How the coefficients of one tensor lie in the arena. The elements of a dense tensor, in the order of its memory, are
// read as `rows` times `columns`: the slowest dimensions make the rows, the others the columns. An element's
// coefficient is the sum of its row's and its column's. So every dimension of every dense layout (contiguous, channels
// last, transposed) is served by one addition, without a division per element.
struct Layout {
  int64_t rows;
  int64_t columns;
  int64_t row_offset;     // in the arena, or -1: no dimension of the rows is penalised
  int64_t column_offset;  // likewise
};

}  // namespace espalier::ops
