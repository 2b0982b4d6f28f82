#pragma once

#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <string>
#include <vector>

namespace espalier::script {

// A method that a module has from now on.
struct NewMethod {
  std::string path;  // of its module
  std::string name;
  std::shared_ptr<torch::jit::Graph> graph;  // null: as it is
};

// Gives a module, and what is below it, these methods and those that they call, and no others. For a module whose types
// are its own and that nobody has run yet.
void InstallMethods(torch::jit::Module& module, const std::vector<NewMethod>& methods);

}  // namespace espalier::script
