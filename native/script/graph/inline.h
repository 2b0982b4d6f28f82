#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <optional>
#include <string>

namespace espalier::script {

// Told of each call of a method before it is replaced: the path of its module, and the call. Where it gives false, the
// call stays.
using OnCall = std::function<bool(const std::string& path, torch::jit::Node* call)>;

// Puts the bodies of all methods and functions in the place of their calls, each node with the scope of the module that
// it came from, and with its trail. LibTorch's own Inline loses which module a call was for, and optimises every method
// first, which is slow.
// `path`: of the module itself.
void InlineCalls(const torch::jit::Module& module, torch::jit::Graph& graph, const OnCall& on_call = {},
                 const std::string& path = "");

// What a call of a module by its caller is compiled to: `forward`, or `forward1` for the second time in a trace.
bool IsForward(const std::string& method);

// What the trails of a called method's nodes begin with; `path`: of its module, as the root knows it.
std::string TrailInto(const torch::jit::Node* call, const std::optional<std::string>& path);

}  // namespace espalier::script
