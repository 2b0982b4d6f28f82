#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "script/graph/prepare.h"
#include "script/record/entry.h"
#include "script/record/record.h"

namespace espalier::script {

// What surgery needs of a recorded run.
struct Recording {
  std::shared_ptr<const PreparedGraph> prepared;
  Entry entry;
  std::vector<std::string> trails;                            // of the methods beside `forward`, see PrepareEntry
  std::vector<c10::IValue> inputs;                            // of all methods
  std::map<std::pair<int32_t, int32_t>, int64_t> list_sizes;  // (node, input): length of a list argument
  bool grad = true;        // false: the program does not run where its parameters have gradients
  size_t forward_ops = 0;  // how many operators of the record ran in `forward`; those of other methods follow
};

struct RecordOptions {
  bool execute = false;                 // run for real even where shapes are enough
  std::function<void()> check = [] {};  // called now and then; throws to stop
};

// Runs `forward`, and the other methods of the entry after it, in eval mode on a copy of the module, which itself does
// not change; on shapes alone where that is enough. `forward`: as prepared, of this module. `inputs` of all methods,
// each without self.
std::pair<Record, Recording> RecordModule(const torch::jit::Module& module, const Entry& entry,
                                          std::shared_ptr<const PreparedGraph> forward, std::vector<c10::IValue> inputs,
                                          const RecordOptions& options);

}  // namespace espalier::script
