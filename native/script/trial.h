#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "script/guard.h"

namespace espalier::script {

// A module's `forward`, to be run as often as wanted with the same result: each run starts from the state that the
// module is in (buffers, attributes, constants of the program) and leaves it, draws its random numbers from a seed, and
// prints nothing.
class Trial {
 public:
  explicit Trial(const torch::jit::Module& module);

  // `module`: the one given above. `inputs` without self, checked against the schema. `check`: see Guard.
  c10::IValue Run(const torch::jit::Module& module, std::vector<c10::IValue> inputs, uint64_t seed,
                  const Guard::Check& check) const;

 private:
  torch::jit::Code CodeOf(std::shared_ptr<torch::jit::Graph> copy) const;

  std::shared_ptr<torch::jit::Graph> graph_;
  c10::intrusive_ptr<Guard> guard_ = c10::make_intrusive<Guard>();
  torch::jit::Code code_;
  bool writes_parameters_;
  bool writes_constants_;
};

}  // namespace espalier::script
