#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "script/edits/request.h"
#include "script/record/recording.h"

namespace espalier::script {

// The nodes that a trail tells; null where it is not for one alone.
using NodesByTrail = std::unordered_map<std::string, const torch::jit::Node*>;
NodesByTrail ByTrail(const PreparedGraph& prepared);

// The edits of one request that fall into one call of a method, for the method's own graph.
class Transfer {
 public:
  // `prefix`: what the trails of that call's nodes begin with.
  Transfer(const Recording& recording, const PreparedGraph& own, const std::string& prefix);

  // Why it can't be done; empty when it can.
  std::string Run(const CutRequest& request);

  CutRequest edits;
  std::map<std::pair<int32_t, int32_t>, int64_t> list_sizes;

 private:
  void Fail(const std::string& why);
  std::optional<int32_t> Own(int64_t node, bool must_be = false);
  // What a moved edit needs beyond its node.
  void Look(const CutRequest::Constant& before, CutRequest::Constant& now);
  void Look(const CutRequest::Scaled& before, CutRequest::Scaled& now);
  template <class Edit>
  void Move(const std::vector<Edit>& from, std::vector<Edit>& to);

  const Recording& recording_;
  const PreparedGraph& own_;
  const std::string prefix_;
  const NodesByTrail places_;
  std::vector<std::string> calls_;
  std::string obstacle_;
};

// The same for the same edits.
std::string Text(const CutRequest& edits);

// The nodes, by id, that edits are at.
std::vector<int64_t> PlacesOf(const CutRequest& edits);

}  // namespace espalier::script
