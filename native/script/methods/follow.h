#pragma once

#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "script/methods/methods.h"
#include "script/methods/transfer.h"

namespace espalier::script {

// A cut in which methods are looked at.
struct Cutting {
  const Recording& recording;
  const CutRequest& request;
  const CutTensors& cut;
  const std::vector<StaleAssertion>& stale;
  const NodesByTrail forward;
  const std::set<std::string> sizing;
  // Of another method of the root; null where there is none.
  const std::function<const MethodFate*(const std::string& name)> other;
};

// How the code of one method goes on after the cut: fills in the rest of its fate.
// `prefixes`: of the trails of `forward`'s calls of it; `given`: the recording ran it for its own sake.
void Follow(const Cutting& cutting, const torch::jit::Module& module, const std::vector<std::string>& prefixes,
            bool given, MethodFate& fate);

}  // namespace espalier::script
