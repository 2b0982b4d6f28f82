#pragma once

#include <torch/csrc/jit/api/module.h>

#include <set>
#include <string>

namespace espalier::script {

// Names of the attributes that methods set, or write into in place (`self.sizes[0] = 3`, `self.index.add_(1)`), other
// than the one that fills a module when it is loaded. What they hold is no constant: another run may find something
// else.
std::set<std::string> WrittenAttributes(const torch::jit::Module& module);

}  // namespace espalier::script
