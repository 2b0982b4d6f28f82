#include "script/methods.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "script/error.h"
#include "script/graph_edits.h"
#include "script/inline.h"
#include "script/prepare.h"
#include "script/scope.h"
#include "script/sizing.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;
namespace attr = c10::attr;
namespace prim = c10::prim;

namespace {

using Place = CutRequest::Place;

// By Python's convention: `_name`, but not `__len__`.
bool IsPrivate(const std::string& name) { return name.rfind('_', 0) == 0 && name.rfind("__", 0) != 0; }

// One reading of a method that has several (`forward__1`): nobody calls it by that name.
bool IsOverload(const std::string& name) {
  const size_t last = name.find_last_not_of("0123456789");
  return last != std::string::npos && last + 1 < name.size() && last > 0 && name.compare(last - 1, 2, "__") == 0;
}

// The nodes that a trail tells; where it is not for one alone it tells nothing.
std::unordered_map<std::string, const Node*> ByTrail(const PreparedGraph& prepared) {
  std::unordered_map<std::string, const Node*> nodes;
  for (const Node* node : prepared.nodes) {
    const std::string trail = TrailOf(node);
    if (trail.empty() || node->kind() == prim::Constant || node->kind() == prim::GetAttr) continue;
    const auto [found, first] = nodes.emplace(trail, node);
    if (!first) found->second = nullptr;
  }
  return nodes;
}

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

// The edits of one request that fall into one call of a method, for the method's own graph.
class Transfer {
 public:
  Transfer(const Recording& recording, const PreparedGraph& own, const std::string& prefix)
      : recording_(recording), own_(own), prefix_(prefix), places_(ByTrail(own)) {
    for (const Node* node : own.nodes) {
      if (node->kind() == prim::CallMethod) calls_.push_back(TrailInto(node, ""));
    }
  }

  // Why it can't be done; empty when it can.
  std::string Run(const CutRequest& request) {
    // A new kind of edit has to be carried over here, too.
    static_assert(sizeof(CutRequest) == 7 * sizeof(std::vector<int>) + sizeof(CutRequest::Interface));
    Move(request.constants, edits.constants,
         [this](const CutRequest::Constant& before, const CutRequest::Constant& now) {
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

  CutRequest edits;
  std::map<std::pair<int32_t, int32_t>, int64_t> list_sizes;

 private:
  static int64_t& NodeOf(CutRequest::Constant& edit) { return edit.place.node; }
  static int64_t& NodeOf(CutRequest::Scaled& edit) { return edit.place.node; }
  static int64_t& NodeOf(CutRequest::Tensor& edit) { return edit.place.node; }
  static int64_t& NodeOf(CutRequest::Rewrite& edit) { return edit.node; }
  static int64_t& NodeOf(CutRequest::Select& edit) { return edit.node; }
  static int64_t& NodeOf(CutRequest::Scatter& edit) { return edit.node; }

  void Fail(const std::string& why) {
    if (obstacle_.empty()) obstacle_ = why;
  }

  // The method's node for one of forward; none when that lies in another method. Fails when the method has lost it.
  std::optional<int32_t> Own(int64_t node, bool must_be = false) {
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

  template <class Edit>
  void Move(
      const std::vector<Edit>& from, std::vector<Edit>& to,
      const std::function<void(const std::type_identity_t<Edit>&, const std::type_identity_t<Edit>&)>& look = {}) {
    for (const Edit& edit : from) {
      Edit moved = edit;
      const auto node = Own(NodeOf(moved), true);
      if (!node) continue;
      NodeOf(moved) = *node;
      if (look) look(edit, moved);
      to.push_back(std::move(moved));
    }
  }

  const Recording& recording_;
  const PreparedGraph& own_;
  const std::string prefix_;
  const std::unordered_map<std::string, const Node*> places_;
  std::vector<std::string> calls_;
  std::string obstacle_;
};

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

class Fates {
 public:
  Fates(const Module& module, const Recording& recording, const CutRequest& request, const CutTensors& cut,
        const std::vector<StaleAssertion>& stale)
      : recording_(recording),
        request_(request),
        cut_(cut),
        stale_(stale),
        forward_(ByTrail(*recording.prepared)),
        sizing_(Sizing(*recording.prepared)) {
    Visit(module, "");
  }

  std::vector<MethodFate> Take() && {
    // A class is one for all modules of it: a method stays for all or for none, and with one code.
    std::map<std::pair<const void*, std::string>, std::vector<MethodFate*>> shared;
    for (size_t i = 0; i < fates_.size(); ++i) shared[{types_[i], fates_[i].name}].push_back(&fates_[i]);
    for (auto& [key, all] : shared) {
      if (all.size() == 1) continue;
      for (MethodFate* fate : all) {
        if (fate->edited == nullptr) continue;
        fate->kind = MethodFate::Kind::kDropped;
        fate->obstacle = "its class is shared by several modules, which are cut apart";
      }
      const auto dropped = std::find_if(
          all.begin(), all.end(), [](const MethodFate* fate) { return fate->kind == MethodFate::Kind::kDropped; });
      if (dropped == all.end()) continue;
      for (MethodFate* fate : all) {
        fate->kind = MethodFate::Kind::kDropped;
        if (fate->obstacle.empty()) fate->obstacle = (*dropped)->obstacle;
      }
    }
    DropNarrower();
    DropCallers();
    return std::move(fates_);
  }

 private:
  void Visit(const Module& module, const std::string& path) {
    for (const auto* method : module.type()->methods()) {
      const std::string& name = method->name();
      const bool part = path.empty() ? name == "forward" : IsForward(name) || IsPrivate(name) || IsOverload(name);
      if (part) continue;
      fates_.push_back(FateOf(module, path, name));
      types_.push_back(module.type().get());
    }
    for (const auto& child : module.named_children()) Visit(child.value, JoinPath(path, child.name));
  }

  MethodFate FateOf(const Module& module, const std::string& path, const std::string& name) {
    MethodFate fate;
    fate.path = path;
    fate.name = name;
    std::vector<std::string> prefixes;
    for (const auto& call : recording_.prepared->calls) {
      if (call.path == path && call.method == name) prefixes.push_back(call.trail);
    }
    // What forward calls of a submodule is how it works, unless somebody else calls it, too.
    const bool given = std::any_of(recording_.entry.begin(), recording_.entry.end(),
                                   [&](const EntryCall& call) { return call.path == path && call.method == name; });
    fate.called = !prefixes.empty();
    fate.internal = !given && (IsPrivate(name) || IsOverload(name) || (!path.empty() && !prefixes.empty()));
    try {
      Decide(module, prefixes, given, fate);
    } catch (const Error& error) {
      fate.obstacle = error.message;
    }
    if (!fate.obstacle.empty()) {
      fate.kind = MethodFate::Kind::kDropped;
      fate.edited = nullptr;
    }
    return fate;
  }

  void Decide(const Module& module, const std::vector<std::string>& prefixes, bool given, MethodFate& fate) {
    PreparedGraph own = PrepareMethod(module, fate.path, fate.name, recording_.prepared->assigned);
    fate.reads = Reads(*own.graph, fate.path);
    for (const Node* node : own.nodes) {
      if (node->kind() == prim::CallMethod) calls_[fate.name].insert(node->s(attr::name));
    }
    for (const Node* node : own.nodes) {
      if (node->kind() != prim::SetAttr || cut_.empty() || given) continue;
      const auto owner = ModulePath(node->input(0));
      const std::string name = JoinPath(fate.path, JoinPath(owner.value_or("?"), node->s(attr::name)));
      if (owner && !sizing_.contains(name)) continue;
      fate.obstacle = "it sets " + name + ", on which sizes of what is cut may depend";
      return;
    }
    std::optional<Transfer> edits;
    for (const std::string& prefix : prefixes) {
      Transfer each(recording_, own, prefix);
      fate.obstacle = each.Run(request_);
      if (fate.obstacle.empty() && edits && Text(edits->edits) != Text(each.edits)) {
        fate.obstacle = "`forward` calls it several times, and each is cut apart";
      }
      if (!fate.obstacle.empty()) return;
      if (!edits) edits.emplace(std::move(each));
    }
    const auto known = [&](const Node* node) {
      if (node->kind() == prim::CallMethod) return IsCalled(prefixes, TrailInto(node, ""));
      const std::string trail = TrailOf(node);
      return !trail.empty() && std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& prefix) {
        const auto found = forward_.find(prefix + trail);
        return found != forward_.end() && found->second != nullptr && found->second->kind() == node->kind();
      });
    };
    const WidthFinding finding = CheckWidths(module, fate.path, *own.graph, cut_, prefixes.empty(), known);
    // What was recorded the analysis has seen, and the verification runs.
    if (!given) fate.obstacle = finding.obstacle;
    if (!fate.obstacle.empty()) return;
    fate.gives = finding.gives;
    fate.given_by = finding.given_by;
    const bool edited = edits && !Text(edits->edits).empty();
    if (finding.computes || !finding.obstacle.empty() || edited) fate.kind = MethodFate::Kind::kCut;
    if (edited) {
      Recording places = recording_;
      places.list_sizes = edits->list_sizes;
      EditGraph(*own.graph, places, edits->edits);
    }
    const bool stale = RemoveStale(*own.graph, prefixes);
    // What forward runs of it is found again by its trails, when the model is cut again.
    const bool shared = fate.path.empty() && !prefixes.empty();
    if (stale || edited || shared) fate.edited = own.graph;
  }

  // Whether `forward` makes the same call where it makes one of these.
  bool IsCalled(const std::vector<std::string>& prefixes, const std::string& trail) const {
    const auto& calls = recording_.prepared->calls;
    return std::any_of(calls.begin(), calls.end(), [&](const PreparedGraph::Call& call) {
      return std::any_of(prefixes.begin(), prefixes.end(),
                         [&](const std::string& prefix) { return call.trail == prefix + trail; });
    });
  }

  bool RemoveStale(Graph& graph, const std::vector<std::string>& prefixes) const {
    bool any = false;
    for (Node* node : NodesInOrder(graph)) {
      const std::string trail = TrailOf(node);
      for (const StaleAssertion& stale : stale_) {
        const bool same = std::any_of(prefixes.begin(), prefixes.end(),
                                      [&](const std::string& prefix) { return prefix + trail == stale.trail; });
        if (!same || node->kind() != prim::If) continue;
        torch::jit::WithInsertPoint guard(node);
        node->replaceInput(0, graph.insertConstant(stale.condition));
        any = true;
      }
    }
    return any;
  }

  MethodFate* OwnFate(const std::string& name) {
    const auto found = std::find_if(fates_.begin(), fates_.end(),
                                    [&](const MethodFate& fate) { return fate.path.empty() && fate.name == name; });
    return found == fates_.end() ? nullptr : &*found;
  }

  // Whoever calls a method that `forward` doesn't call counts on what it gives. (What `forward` does is how it works.)
  void DropNarrower() {
    for (MethodFate& fate : fates_) {
      const MethodFate* source = &fate;
      std::set<std::string> seen;
      while (source != nullptr && !source->given_by.empty() && seen.insert(source->name).second) {
        source = OwnFate(source->given_by);
      }
      const bool narrower = source != nullptr && !source->gives.empty();
      if (fate.called || fate.kind == MethodFate::Kind::kDropped || !narrower) continue;
      fate.kind = MethodFate::Kind::kDropped;
      fate.edited = nullptr;
      fate.obstacle = "it gives what is cut of " + source->gives;
    }
  }

  // A method of the root that calls one that goes can't stay.
  void DropCallers() {
    for (bool changed = true; changed;) {
      changed = false;
      for (MethodFate& fate : fates_) {
        if (!fate.path.empty() || fate.kind == MethodFate::Kind::kDropped) continue;
        for (const MethodFate& other : fates_) {
          const bool gone = other.path.empty() && other.kind == MethodFate::Kind::kDropped;
          if (!gone || !calls_[fate.name].contains(other.name)) continue;
          fate.kind = MethodFate::Kind::kDropped;
          fate.edited = nullptr;
          fate.obstacle = "it calls `" + other.name + "`: " + other.obstacle;
          changed = true;
          break;
        }
      }
    }
  }

  const Recording& recording_;
  const CutRequest& request_;
  const CutTensors& cut_;
  const std::vector<StaleAssertion>& stale_;
  const std::unordered_map<std::string, const Node*> forward_;
  const std::set<std::string> sizing_;
  std::vector<MethodFate> fates_;
  std::vector<const void*> types_;
  std::map<std::string, std::set<std::string>> calls_;  // of the root's methods by each other
};

}  // namespace

std::vector<MethodFate> FateOfMethods(const Module& module, const Recording& recording, const CutRequest& request,
                                      const CutTensors& cut, const std::vector<StaleAssertion>& stale) {
  return Fates(module, recording, request, cut, stale).Take();
}

std::vector<std::string> Reads(const Graph& graph, const std::string& path) {
  std::set<std::string> names;
  for (const Node* node : NodesInOrder(const_cast<Graph&>(graph))) {
    if (node->kind() != prim::GetAttr && node->kind() != prim::SetAttr) continue;
    const auto owner = ModulePath(node->input(0));
    if (owner) names.insert(JoinPath(path, JoinPath(*owner, node->s(attr::name))));
  }
  return {names.begin(), names.end()};
}

}  // namespace espalier::script
