#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace espalier::script {

// Takes out of every loop what it carries from round to round for nothing, and loops that nothing needs. LibTorch's
// dead code elimination keeps both, as a carried value is read by the next round.
void RemoveDeadLoops(torch::jit::Graph& graph);

}  // namespace espalier::script
