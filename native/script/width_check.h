#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace espalier::script {

// What is cut of the tensors of a module: by name and dimension, the indices that stay.
using CutTensors = std::map<std::string, std::map<int64_t, std::vector<int64_t>>>;

// How code goes with cut tensors.
struct WidthFinding {
  bool computes = false;  // with cut parameters; else it only fills or resets what is cut
  std::string gives;      // where the width of an output that is narrower than it was comes from; empty for none
  std::string given_by;   // the method of its own whose output that may be
  std::string obstacle;   // the first operator that is not known to be right; empty for none
};

// Whether a graph computes the right thing on cut tensors as it stands: whatever it does with one knows no width.
// `path`: of the module that the graph is a method of. `known`: an operator that `forward` runs as well, so that the
// analysis has seen it, and its edits are made. `inputs_known`: the inputs have the widths that they always had.
WidthFinding CheckWidths(const torch::jit::Module& module, const std::string& path, const torch::jit::Graph& graph,
                         const CutTensors& cut, bool inputs_known,
                         const std::function<bool(const torch::jit::Node*)>& known);

}  // namespace espalier::script
