#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <functional>

namespace espalier::script {

// From `first` on, without `end`: each node, then those in its blocks.
inline void ForEachNode(torch::jit::Node* first, const torch::jit::Node* end,
                        const std::function<void(torch::jit::Node*)>& visit) {
  for (torch::jit::Node* node = first; node != end; node = node->next()) {
    visit(node);
    for (torch::jit::Block* block : node->blocks()) {
      ForEachNode(block->nodes().front(), block->return_node(), visit);
    }
  }
}

inline void ForEachNode(torch::jit::Block* block, const std::function<void(torch::jit::Node*)>& visit) {
  ForEachNode(block->nodes().front(), block->return_node(), visit);
}

// Those in the blocks of a node first; the visitor may move or destroy the node.
inline void ForEachNodeOutwards(torch::jit::Block* block, const std::function<void(torch::jit::Node*)>& visit) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    torch::jit::Node* node = *it++;
    for (torch::jit::Block* inner : node->blocks()) ForEachNodeOutwards(inner, visit);
    visit(node);
  }
}

}  // namespace espalier::script
