#include "script/methods/transfer.h"

#include <algorithm>
#include <sstream>
#include <tuple>

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

template <class Edit>
int64_t& NodeOf(Edit& edit) {
  if constexpr (requires { edit.place; }) {
    return edit.place.node;
  } else {
    return edit.node;
  }
}

// Every edit of a request as text, the same for the same.
class Writer {
 public:
  void Write(const CutRequest::Constant& edit) {
    Write(edit.place);
    text << "= " << edit.value << '\n';
  }
  void Write(const CutRequest::Scaled& edit) {
    Write(edit.place);
    text << edit.multiply << '/' << edit.divide;
    for (const auto& entry : edit.entries) {
      text << " from " << entry.node << ' ' << entry.element.value_or(-1) << ' ' << entry.size << ' ' << entry.multiply
           << '/' << entry.divide;
    }
    text << '\n';
  }
  void Write(const CutRequest::Tensor& edit) {
    Write(edit.place);
    for (const auto& slice : edit.slices) text << slice.dim << " [" << c10::Join(",", slice.keep) << "] ";
    text << '\n';
  }
  void Write(const CutRequest::Rewrite& edit) {
    text << edit.node << " becomes " << edit.source;
    for (const auto& [name, value] : edit.values) text << ' ' << name << " = " << value;
    text << '\n';
  }
  void Write(const CutRequest::Close& edit) { text << edit.node << " closed " << edit.block << '\n'; }

  std::ostringstream text;

 private:
  void Write(const Place& at) { text << at.node << ' ' << at.input << ' ' << at.element.value_or(-1) << ' '; }
};

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

void Transfer::Look(const CutRequest::Constant& before, CutRequest::Constant& now) {
  const bool constant = IsConstant(ValueAt(*recording_.prepared, before.place));
  if (constant && !IsConstant(ValueAt(own_, now.place))) Fail("its arguments decide a width");
}

void Transfer::Look(const CutRequest::Scaled&, CutRequest::Scaled& now) {
  for (CutRequest::Entry& entry : now.entries) {
    const auto node = Own(entry.node, true);
    if (!node) Fail("its arguments decide a width");
    entry.node = node.value_or(0);
  }
}

template <class Edit>
void Transfer::Move(const std::vector<Edit>& from, std::vector<Edit>& to) {
  for (const Edit& edit : from) {
    Edit moved = edit;
    const auto node = Own(NodeOf(moved), true);
    if (!node) continue;
    NodeOf(moved) = *node;
    if constexpr (requires { Look(edit, moved); }) Look(edit, moved);
    to.push_back(std::move(moved));
  }
}

std::string Transfer::Run(const CutRequest& request) {
  std::apply([&](const auto&... from) { std::apply([&](auto&... to) { (Move(from, to), ...); }, edits.Edits()); },
             request.Edits());
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
  Writer writer;
  const auto write = [&writer](const auto& list) {
    for (const auto& edit : list) writer.Write(edit);
  };
  std::apply([&write](const auto&... lists) { (write(lists), ...); }, edits.Edits());
  return writer.text.str();
}

std::vector<int64_t> PlacesOf(const CutRequest& edits) {
  std::vector<int64_t> nodes;
  const auto add = [&nodes](const auto& list) {
    for (auto edit : list) nodes.push_back(NodeOf(edit));
  };
  std::apply([&add](const auto&... lists) { (add(lists), ...); }, edits.Edits());
  return nodes;
}

}  // namespace espalier::script
