#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <memory>

namespace espalier::script {

// Computes what is constant: numbers, texts and flags. A division that would end the process (unchecked.h) stays.
void FoldConstants(std::shared_ptr<torch::jit::Graph> graph);

}  // namespace espalier::script
