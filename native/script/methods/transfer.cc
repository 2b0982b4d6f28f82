#include "script/methods/transfer.h"

#include <algorithm>
#include <sstream>

#include "script/graph/inline.h"
#include "script/graph/scope.h"

namespace espalier::script {

using torch::jit::Node;
using torch::jit::Value;
namespace prim = c10::prim;

namespace {

using Place = CutRequest::Place;

// The value that is used at a place; null where it is not known before the run.
const Value* ValueAt(const PreparedGraph& prepared, const Place& place) {
  const Node* node = prepared.nodes.at(place.node);
  if (place.input >= static_cast<int64_t>(node->inputs().size())) return nullptr;
  const Value* value = node->input(place.input);
  if (!place.element) return value;
  const Node* list = value->node();
  const bool known =
      list->kind() == prim::ListConstruct && *place.element < static_cast<int64_t>(list->inputs().size());
  return known ? list->input(*place.element) : nullptr;
}

bool IsConstant(const Value* value) { return value != nullptr && value->node()->kind() == prim::Constant; }

int64_t& NodeOf(CutRequest::Constant& edit) { return edit.place.node; }
int64_t& NodeOf(CutRequest::Scaled& edit) { return edit.place.node; }
int64_t& NodeOf(CutRequest::Tensor& edit) { return edit.place.node; }
int64_t& NodeOf(CutRequest::Rewrite& edit) { return edit.node; }
int64_t& NodeOf(CutRequest::Select& edit) { return edit.node; }
int64_t& NodeOf(CutRequest::Scatter& edit) { return edit.node; }

}  // namespace

NodesByTrail ByTrail(const PreparedGraph& prepared) {
  NodesByTrail nodes;
  for (const Node* node : prepared.nodes) {
    const std::string trail = TrailOf(node);
    if (trail.empty() || node->kind() == prim::Constant || node->kind() == prim::GetAttr) continue;
    const auto [found, first] = nodes.emplace(trail, node);
    if (!first) found->second = nullptr;
  }
  return nodes;
}

Transfer::Transfer(const Recording& recording, const PreparedGraph& own, const std::string& prefix)
    : recording_(recording), own_(own), prefix_(prefix), places_(ByTrail(own)) {
  for (const Node* node : own.nodes) {
    if (node->kind() == prim::CallMethod) calls_.push_back(TrailInto(node, ""));
  }
}

template <class Edit>
void Transfer::Move(
    const std::vector<Edit>& from, std::vector<Edit>& to,
    const std::function<void(const std::type_identity_t<Edit>&, const std::type_identity_t<Edit>&)>& look) {
  for (const Edit& edit : from) {
    Edit moved = edit;
    const auto node = Own(NodeOf(moved), true);
    if (!node) continue;
    NodeOf(moved) = *node;
    if (look) look(edit, moved);
    to.push_back(std::move(moved));
  }
}

std::string Transfer::Run(const CutRequest& request) {
  // A new kind of edit has to be carried over here, too.
  static_assert(sizeof(CutRequest) == 7 * sizeof(std::vector<int>) + sizeof(CutRequest::Interface));
  Move(request.constants, edits.constants, [this](const CutRequest::Constant& before, const CutRequest::Constant& now) {
    const bool constant = IsConstant(ValueAt(*recording_.prepared, before.place));
    if (constant && !IsConstant(ValueAt(own_, now.place))) Fail("its arguments decide a width");
  });
  Move(request.scaled, edits.scaled);
  for (CutRequest::Scaled& edit : edits.scaled) {
    for (CutRequest::Entry& entry : edit.entries) {
      const auto node = Own(entry.node, true);
      if (!node) Fail("its arguments decide a width");
      entry.node = node.value_or(0);
    }
  }
  Move(request.rewrites, edits.rewrites);
  Move(request.tensors, edits.tensors);
  Move(request.selects, edits.selects);
  Move(request.scatters, edits.scatters);
  for (const auto& [place, size] : recording_.list_sizes) {
    const auto node = Own(place.first);
    if (node) list_sizes.try_emplace({*node, place.second}, size);
  }
  return obstacle_;
}

void Transfer::Fail(const std::string& why) {
  if (obstacle_.empty()) obstacle_ = why;
}

// The method's node for one of forward; none when that lies in another method. Fails when the method has lost it.
std::optional<int32_t> Transfer::Own(int64_t node, bool must_be) {
  const Node* original = recording_.prepared->nodes.at(node);
  const std::string trail = TrailOf(original);
  if (trail.rfind(prefix_, 0) != 0) return std::nullopt;
  const std::string own = trail.substr(prefix_.size());
  const auto in = [&own](const std::string& call) { return own.rfind(call, 0) == 0; };
  if (std::any_of(calls_.begin(), calls_.end(), in)) return std::nullopt;
  const auto found = places_.find(own);
  const bool same = found != places_.end() && found->second != nullptr && found->second->kind() == original->kind();
  if (same) return own_.ids.at(found->second);
  if (must_be) Fail("its own code differs from what `forward` runs of it");
  return std::nullopt;
}

std::string Text(const CutRequest& edits) {
  std::ostringstream text;
  const auto place = [&text](const Place& at) {
    text << at.node << ' ' << at.input << ' ' << at.element.value_or(-1) << ' ';
  };
  const auto slice = [&text](const CutRequest::Slice& at) {
    text << at.dim << " [" << c10::Join(",", at.keep) << "] ";
  };
  for (const auto& edit : edits.constants) place(edit.place), text << "= " << edit.value << '\n';
  for (const auto& edit : edits.scaled) {
    place(edit.place), text << edit.multiply << '/' << edit.divide;
    for (const auto& entry : edit.entries) {
      text << " from " << entry.node << ' ' << entry.element.value_or(-1) << ' ' << entry.size << ' ' << entry.multiply
           << '/' << entry.divide;
    }
    text << '\n';
  }
  for (const auto& edit : edits.tensors) {
    place(edit.place);
    for (const auto& each : edit.slices) slice(each);
  }
  for (const auto& edit : edits.selects) {
    text << edit.node << ' ' << edit.input << ' ' << edit.dim << " [" << c10::Join(",", edit.keep) << "]\n";
  }
  for (const auto& edit : edits.scatters) {
    text << edit.node << " -> " << edit.output << ' ' << edit.dim << " [" << c10::Join(",", edit.keep) << "]\n";
  }
  for (const auto& edit : edits.rewrites) {
    text << edit.node << " becomes ";
    if (const auto* split = std::get_if<CutRequest::SplitWithSizes>(&edit.form)) text << c10::Join(",", split->sizes);
    if (const auto* select = std::get_if<CutRequest::IndexSelect>(&edit.form)) {
      text << select->dim << ": " << c10::Join(",", select->indices);
    }
    if (const auto* squeeze = std::get_if<CutRequest::Squeeze>(&edit.form)) text << c10::Join(",", squeeze->dims);
    if (const auto* close = std::get_if<CutRequest::Close>(&edit.form)) text << "closed " << close->block;
  }
  return text.str();
}

std::vector<int64_t> PlacesOf(const CutRequest& edits) {
  std::vector<int64_t> nodes;
  const auto add = [&nodes](auto list) {
    for (auto& edit : list) nodes.push_back(NodeOf(edit));
  };
  add(edits.constants);
  add(edits.scaled);
  add(edits.rewrites);
  add(edits.tensors);
  add(edits.selects);
  add(edits.scatters);
  return nodes;
}

}  // namespace espalier::script
