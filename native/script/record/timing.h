#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "script/record/recording.h"

namespace espalier::script {

// Milliseconds that the nodes of a recorded graph take when it runs as it is, by id; those of all rounds of a loop
// together, 0 where a node did not run. One list for each round.
using NodeTimes = std::vector<std::vector<double>>;

// Runs the recorded graph in LibTorch's interpreter, so that values are let go of as they are in any run, in eval mode
// on a copy of the module, with a look at the clock behind each node. `warm_up` rounds go before those that count.
NodeTimes TimeNodes(const torch::jit::Module& module, const Recording& recording, std::vector<c10::IValue> inputs,
                    int64_t rounds, int64_t warm_up, const std::function<void()>& check);

}  // namespace espalier::script
