#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace espalier::script {

// What is cut of the tensors of a module: by name and dimension, the indices that stay.
using CutTensors = std::map<std::string, std::map<int64_t, std::vector<int64_t>>>;

// What a method gives that is narrower than it was.
struct Narrower {
  std::string from;     // where that comes from; empty for nothing
  bool passed = false;  // only what it was given
};

// What is known of a method's code from what `forward` runs of it.
struct Familiar {
  bool called = false;  // `forward` runs it, so that its inputs may be as narrow as they are there
  // An operator that `forward` runs as well: the analysis has seen it, and its edits are made.
  std::function<bool(const torch::jit::Node*)> known;
  std::function<bool(const torch::jit::Block*)> entered;  // a branch that `forward` takes
  std::function<Narrower(const std::string&)> given;      // by another method of the module
  std::set<const torch::jit::Node*> edited;               // known ones that give something narrower of their own accord
  std::set<const torch::jit::Value*> plain;               // inputs that are a constant wherever `forward` calls it
  std::set<const torch::jit::Block*> closed;              // they only raise
};

// How code goes with cut tensors.
struct WidthFinding {
  bool computes = false;  // with cut parameters; else it only fills or resets what is cut
  Narrower gives;
  std::string obstacle;                    // the first operator that is not known to be right; empty for none
  const torch::jit::Node* node = nullptr;  // that operator, or an `if` whose blocks give different widths
  bool join = false;                       // it is the latter
};

// Whether a graph computes the right thing on cut tensors as it stands: whatever it does with one knows no width.
// `path`: of the module that the graph is a method of.
WidthFinding CheckWidths(const torch::jit::Module& module, const std::string& path, const torch::jit::Graph& graph,
                         const CutTensors& cut, const Familiar& familiar);

}  // namespace espalier::script
