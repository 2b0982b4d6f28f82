#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace espalier::script {

// Replaces fused attention that a trace holds (there is no branch beside it to take) by the operators that it consists
// of, where it is self-attention without a mask. They can be looked into, cut and trained.
void OpenFusedAttention(torch::jit::Graph& graph);

}  // namespace espalier::script
