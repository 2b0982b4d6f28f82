#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "script/record/recording.h"

namespace espalier::script {

struct Course {
  std::vector<std::pair<int32_t, bool>> turns;  // each `if`: its node, and whether its condition held
  const char* narrowed = nullptr;  // the least precise dtype to which wider floating-point numbers were cut; else null
};

// Whether the recorded program runs on other inputs, which fit its schema, asked on shapes alone: no kernel sees sizes
// that it was not made for. None when it refuses them, or needs more than shapes. `module`: the recorded one, or a copy
// in another dtype.
std::optional<Course> CourseOn(const torch::jit::Module& module, const Recording& recording,
                               const std::vector<c10::IValue>& inputs, const std::function<void()>& check);

// Runs a graph on a copy of the module in eval mode and drops the record; throws RunFailure. `grad`: of the recording.
void TryRun(const torch::jit::Module& module, const PreparedGraph& prepared, const std::vector<c10::IValue>& inputs,
            bool grad, const std::function<void()>& check);

}  // namespace espalier::script
