#pragma once

#include <cstdint>

namespace espalier::archive {

// How much an archive may ask for. The options of the same names are described in lib/torch/limits.ts.
struct Limits {
  uint64_t entries = 100'000;
  uint64_t inflated = uint64_t{1} << 30;
  uint64_t memory = 0;  // 0: by the size of the archive
  uint64_t depth = 256;
};

}  // namespace espalier::archive
