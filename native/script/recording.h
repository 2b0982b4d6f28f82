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
  bool grad = true;  // false: the program does not run where its parameters have gradients
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

}  // namespace espalier::script
