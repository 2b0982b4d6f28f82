#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <optional>
#include <vector>

namespace espalier::script {

// Stochastic depth, as tracing leaves it: a branch times one random 0 or 1 for each sample, the mean of which is
// made 1.
//
//   noise = empty([batch, 1, 1, 1]).bernoulli_(keep).div_(keep);  branch * noise               torchvision, timm
//   noise = floor(rand([batch, 1, 1]) + keep);                    branch.div(keep) * noise     transformers
struct StochasticDepth {
  torch::jit::Node* product;
  torch::jit::Value* branch;
  std::vector<torch::jit::Node*> noise;  // what is computed for it alone, in order
  torch::jit::Node* random;              // the one that draws
};

// None when the product is anything else: noise of other shapes, or of another mean, is meant to be there.
std::optional<StochasticDepth> StochasticDepthIn(torch::jit::Node* product);

// Drops samples where `training` holds, and gives the branch where it does not.
void Guard(const StochasticDepth& depth, torch::jit::Value* training);

}  // namespace espalier::script
