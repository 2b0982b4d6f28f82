#pragma once

#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace espalier::script {

// A method that a module has from now on.
struct NewMethod {
  std::string path;  // of its module
  std::string name;
  std::shared_ptr<torch::jit::Graph> graph;  // null: as it is
};

// The module at a path below another.
torch::jit::Module ModuleAt(const torch::jit::Module& root, const std::string& path);

// The path of a module and its method that "memory.reset" names; none when there is no such method.
std::optional<std::pair<std::string, std::string>> MethodAt(const torch::jit::Module& root, const std::string& name);

// Gives a module, and what is below it, these methods and those that they call, and no others. For a module whose types
// are its own and that nobody has run yet.
void InstallMethods(torch::jit::Module& module, const std::vector<NewMethod>& methods);

}  // namespace espalier::script
