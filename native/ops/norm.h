#pragma once

#include <cstdint>

namespace espalier::ops {

// What is summed up for the coordinates of a dimension: |w|, w^2 or w * gradient.
enum class Norm : uint32_t { kAbs, kSquare, kTimesGradient };

}  // namespace espalier::ops
