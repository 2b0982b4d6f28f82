#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <string>

namespace espalier::script {

// Told of each call of a submodule's `forward` before it is replaced: the module's path, and the call.
using OnCall = std::function<void(const std::string& path, torch::jit::Node* call)>;

// Puts the bodies of all methods and functions in the place of their calls, each node with the scope of the module that
// it came from. LibTorch's own Inline loses which module a call was for, and optimises every method first, which is
// slow.
void InlineCalls(const torch::jit::Module& module, torch::jit::Graph& graph, const OnCall& on_call = {});

}  // namespace espalier::script
