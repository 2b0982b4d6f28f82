#pragma once

#include <torch/csrc/jit/api/module.h>

#include <optional>
#include <string>
#include <utility>

namespace espalier::script {

// `a` and `b` joined by a dot; either may be empty.
std::string JoinPath(const std::string& a, const std::string& b);

// The module at a path below another.
torch::jit::Module ModuleAt(const torch::jit::Module& root, const std::string& path);

// The path of a module and its method that "memory.reset" names; none when there is no such method.
std::optional<std::pair<std::string, std::string>> MethodAt(const torch::jit::Module& root, const std::string& name);

}  // namespace espalier::script
