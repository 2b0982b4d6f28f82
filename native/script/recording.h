#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "script/prepare.h"
#include "script/record.h"

namespace espalier::script {

// What surgery needs of a recorded run.
struct Recording {
  std::shared_ptr<const PreparedGraph> prepared;
  c10::FunctionSchema schema;  // of forward
  std::vector<c10::IValue> inputs;
  std::map<std::pair<int32_t, int32_t>, int64_t> list_sizes;  // (node, input): length of a list argument
};

struct RecordOptions {
  bool execute = false;                 // run for real even where shapes are enough
  std::function<void()> check = [] {};  // called now and then; throws to stop
};

// Runs `forward` in eval mode on a copy of the module, which itself does not change; on shapes alone where that is
// enough. `prepared`: of this module. `inputs` without self.
std::pair<Record, Recording> RecordModule(const torch::jit::Module& module,
                                          std::shared_ptr<const PreparedGraph> prepared,
                                          std::vector<c10::IValue> inputs, const RecordOptions& options);

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

// Runs a graph on a copy of the module in eval mode and drops the record; throws RunFailure.
void TryRun(const torch::jit::Module& module, const PreparedGraph& prepared, const std::vector<c10::IValue>& inputs,
            const std::function<void()>& check);

}  // namespace espalier::script
