#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>
#include <vector>

#include "script/methods/methods.h"

namespace espalier::script {

// What `forward` never reads.
struct UnreachedTensor {
  std::string name;
  std::vector<std::string> used_by;  // methods
  bool dropped = false;
};

// Parameters that `forward`, which reads `reads`, never does, and the buffers of modules of which it reads nothing;
// with the methods that stay and do.
std::vector<UnreachedTensor> Unreached(const torch::jit::Module& module, const std::vector<std::string>& reads,
                                       const std::vector<MethodFate>& methods);

// Removes those that no method uses, whole modules where nothing else is in them, and marks them. For a module whose
// types are its own and that nobody has run yet.
void DropUnreached(torch::jit::Module& module, std::vector<UnreachedTensor>& unreached);

}  // namespace espalier::script
