#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "script/record/recording.h"

namespace espalier::script {

// An input of an operator, looked at along one dimension.
struct Watched {
  int64_t node = 0;
  int64_t input = 0;
  int64_t dim = 0;
};

// Of each coordinate of a watched dimension, over all other dimensions and all times that the operator ran.
struct Moments {
  at::Tensor mean;    // float64 [size]; undefined when the operator did not run
  at::Tensor spread;  // float64 [size]: largest minus smallest value
};

// Runs the recorded graph on other inputs, in eval mode on a copy of the module, and looks at some values on the way.
std::vector<Moments> Observe(const torch::jit::Module& module, const Recording& recording,
                             std::vector<c10::IValue> inputs, const std::vector<Watched>& watched,
                             const std::function<void()>& check);

// Runs it as a recording with `execute` does, with random numbers from a seed, and copies what some of its operators
// give. `ops`: by their place in the record. The tensors of each, in the order of the record; none for one that did not
// run.
std::vector<std::vector<at::Tensor>> Capture(const torch::jit::Module& module, const Recording& recording,
                                             std::vector<c10::IValue> inputs, const std::set<int64_t>& ops,
                                             uint64_t seed, const std::function<void()>& check);

}  // namespace espalier::script
