#pragma once

#include <torch/csrc/jit/api/module.h>

#include <set>
#include <string>
#include <vector>

namespace espalier::script {

// An operator whose train/eval mode is a constant of the program, as tracing leaves it: a trace taken in eval mode
// stays in it for ever, one taken in train mode is wrong in eval.
struct BakedMode {
  std::string scope;  // path of the module that the operator belongs to
  std::string op;     // aten::batch_norm
  bool training;      // the mode that it is stuck in
};

// The baked operators of a module, in the order of its submodules. Only those that stand directly in a method of a
// module, where tracing puts them: what a script passes to a function on purpose (a frozen batch norm) is no trace.
std::vector<BakedMode> FindBakedModes(const torch::jit::Module& module);

// Lets the operators at the given places of that list follow `training` of their module, so that train() and eval()
// work again, in Python too. In place: for a module that nobody has run yet.
void RepairModes(torch::jit::Module& module, const std::set<size_t>& places);

}  // namespace espalier::script
