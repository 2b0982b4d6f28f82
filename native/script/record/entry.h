#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "script/graph/prepare.h"

namespace espalier::script {

// One of the methods that a recording runs, one after the other on the same state: `forward`, then those that are to be
// cut along with it.
struct EntryCall {
  std::string path;  // of its module
  std::string method;
  c10::FunctionSchema schema;
  size_t given = 0;  // inputs of it that are given, behind those of `forward`; the others have their defaults
};
using Entry = std::vector<EntryCall>;

// `others`: by qualified name ("decoder.reset"), with the number of inputs that are given.
Entry EntryOf(const torch::jit::Module& module, const std::vector<std::pair<std::string, size_t>>& others);

// Of `forward`, with the calls of the others behind it; what it takes and gives is theirs, too, one after the other.
std::shared_ptr<torch::jit::Graph> EntryGraph(const torch::jit::Module& module, const Entry& entry,
                                              std::vector<torch::jit::Node*>* calls = nullptr);

// As Prepare. `trails`: what those of the nodes of each method but `forward` begin with.
PreparedGraph PrepareEntry(const torch::jit::Module& module, const Entry& entry, std::vector<std::string>& trails);

// Whether a node came from one of these calls.
bool IsWithin(const torch::jit::Node* node, const std::vector<std::string>& trails);

// Takes all but `forward` out of a flat graph of an entry.
void KeepForward(torch::jit::Graph& graph, const Entry& entry, const std::vector<std::string>& trails);

// Defaults filled in and types checked, as a call of each method does it. `inputs`: of all of them.
std::vector<c10::IValue> Normalize(const torch::jit::Module& module, const Entry& entry,
                                   std::vector<c10::IValue> inputs);

}  // namespace espalier::script
