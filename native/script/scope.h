#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <optional>
#include <string>

namespace espalier::script {

// The module path of a node ("layer1.0.conv1"; empty for the root).
//
// In memory it is the node's jit Scope. A file doesn't keep those, and inlined code has no calls left to tell it from,
// so a graph that is going to be saved gets the path into its nodes' source ranges: those are in every .pt (its
// .debug_pkl), survive loading and saving by Python, and are what LibTorch prints as "original code" in its errors.

void SetScope(torch::jit::Node* node, const std::string& path);
// Empty when none was set.
std::string ScopeOf(const torch::jit::Node* node);

// Writes the scopes of all nodes into their source ranges.
void KeepScopesInSource(torch::jit::Graph& graph);
// The scope that KeepScopesInSource wrote before the file was saved.
std::optional<std::string> ScopeFromSource(const torch::jit::Node* node);

// `a` and `b` joined by a dot; either may be empty.
std::string JoinPath(const std::string& a, const std::string& b);

// The path of a module value: the chain of GetAttr from the first input of the graph. None for other values.
std::optional<std::string> ModulePath(const torch::jit::Value* value);

}  // namespace espalier::script
