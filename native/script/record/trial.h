#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "script/checks/guard.h"
#include "script/record/entry.h"

namespace espalier::script {

// Methods of a module, one after the other, to be run as often as wanted with the same result: each run starts from the
// state that the module is in (buffers, attributes, constants of the program) and leaves it, draws its random numbers
// from a seed, and prints nothing.
class Trial {
 public:
  Trial(const torch::jit::Module& module, const Entry& entry);

  // `module`: the one given above. `inputs` of all methods, checked against their schemas. Gives a tuple of
  // what each gives where they are several. `check`: see Guard.
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
