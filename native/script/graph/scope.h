#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "script/module/lookup.h"

namespace espalier::script {

// The module path of a node ("layer1.0.conv1"; empty for the root), and the calls that it came from.
//
// In memory it is the node's jit Scope. A file doesn't keep those, and inlined code has no calls left to tell it from,
// so a graph that is going to be saved gets the path into its nodes' source ranges: those are in every .pt (its
// .debug_pkl), survive loading and saving by Python, and are what LibTorch prints as "original code" in its errors.
//
// A path with its calls ("rnn.cell@2", "layers@0.1") numbers the calls of a module's forward in each call of what is
// around it; the first has no number, and 0 stands where forward was not called: a list of modules, another method.

// `call`: a path with its calls.
void SetScope(torch::jit::Node* node, const std::string& call);
// Empty when none was set.
std::string CallOf(const torch::jit::Node* node);
std::string ScopeOf(const torch::jit::Node* node);
// The path alone.
std::string WithoutCalls(const std::string& call);

// Where a node came from: its number in the method that it is written in, behind the numbers of the calls that lead
// there, those of other methods than forward with their names ("12/3=memory.read/7"). The same code has the same trail
// wherever it was put. Empty for a node that was made later.
std::string TrailOf(const torch::jit::Node* node);
void SetTrail(torch::jit::Node* node, const std::string& trail);

// The value is what this call gives, unless it is only passed through. (A file keeps no tuples that are taken apart at
// once: what goes into a tuple is told of, too.)
void SetGives(torch::jit::Value* value, const std::string& call);
// What `from` was given as, `to` is now.
void MoveGives(torch::jit::Value* from, torch::jit::Value* to);

// An output of a node that is, or is in, what a call gives.
struct Given {
  std::string call;
  // Into nested tuples: number of the element and of elements, for each.
  std::vector<std::pair<size_t, size_t>> place;
  size_t output = 0;
};

// What the file that a flat graph is from says that a node gives stays with it.
void RecallGiven(torch::jit::Node* node);

// Writes the scopes of all nodes, what they give, and their trails (of `forward` those into other methods) into their
// source ranges.
void KeepScopesInSource(torch::jit::Graph& graph, bool is_forward);
// The scope, with calls, that KeepScopesInSource wrote before the file was saved.
std::optional<std::string> ScopeFromSource(const torch::jit::Node* node);
std::vector<Given> GivenFromSource(const torch::jit::Node* node);
std::optional<std::string> TrailFromSource(const torch::jit::Node* node);

// The path of a module value: the chain of GetAttr from the first input of the graph. None for other values.
std::optional<std::string> ModulePath(const torch::jit::Value* value);

}  // namespace espalier::script
