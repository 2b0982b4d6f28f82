#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "script/edits/request.h"

namespace espalier::script {

// Compiles the sources that nodes are replaced by. Those that are alike, as the layers of a network, are compiled once.
class Sources {
 public:
  // Puts what the source computes before `node`, which stays; `follow` is called with each node that is made. Gives a
  // value for each output of `node`.
  std::vector<torch::jit::Value*> Insert(torch::jit::Node* node, const CutRequest::Rewrite& rewrite,
                                         const std::function<void(torch::jit::Node*)>& follow);

 private:
  // By its text.
  std::map<std::string, std::shared_ptr<torch::jit::Graph>> compiled_;
};

}  // namespace espalier::script
