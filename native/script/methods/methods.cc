#include "script/methods/methods.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "script/graph/inline.h"
#include "script/graph/prepare.h"
#include "script/graph/scope.h"
#include "script/methods/follow.h"
#include "script/methods/sizing.h"

namespace espalier::script {

using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
namespace attr = c10::attr;
namespace prim = c10::prim;

namespace {

// By Python's convention: `_name`, but not `__len__`.
bool IsPrivate(const std::string& name) { return name.rfind('_', 0) == 0 && name.rfind("__", 0) != 0; }

// One reading of a method that has several (`forward__1`): nobody calls it by that name.
bool IsOverload(const std::string& name) {
  const size_t last = name.find_last_not_of("0123456789");
  return last != std::string::npos && last + 1 < name.size() && last > 0 && name.compare(last - 1, 2, "__") == 0;
}

class Fates {
 public:
  Fates(const Module& module, const Recording& recording, const CutRequest& request, const CutTensors& cut,
        const std::vector<StaleAssertion>& stale)
      : recording_(recording),
        module_(module),
        context_{recording,
                 request,
                 cut,
                 stale,
                 ByTrail(*recording.prepared),
                 Sizing(*recording.prepared),
                 [this](const std::string& name) { return RootFate(name); }} {
    Visit(module, "");
  }

  std::vector<MethodFate> Take() && {
    // A class is one for all modules of it: a method stays for all or for none, and with one code.
    std::map<std::pair<const void*, std::string>, std::vector<MethodFate*>> shared;
    for (size_t i = 0; i < fates_.size(); ++i) shared[{types_[i], fates_[i].name}].push_back(&fates_[i]);
    for (auto& [key, all] : shared) {
      if (all.size() == 1) continue;
      for (MethodFate* fate : all) {
        if (fate->only_marked) fate->edited = nullptr;
        if (fate->edited != nullptr) Drop(*fate, "its class is shared by several modules, which are cut apart");
      }
      const auto dropped = std::find_if(all.begin(), all.end(), [](const MethodFate* fate) { return fate->Goes(); });
      if (dropped == all.end()) continue;
      const std::string why = (*dropped)->obstacle;
      for (MethodFate* fate : all) Drop(*fate, fate->obstacle.empty() ? why : fate->obstacle);
    }
    DropCallers();
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
      fates_.push_back(path.empty() ? *RootFate(name) : FateOf(module, path, name));
      types_.push_back(module.type().get());
    }
    for (const auto& child : module.named_children()) Visit(child.value, JoinPath(path, child.name));
  }

  // Of a method of the root, those that it calls first; null while it is in the making, and where there is none.
  const MethodFate* RootFate(const std::string& name) {
    const auto [found, fresh] = root_.try_emplace(name);
    if (fresh && module_.find_method(name)) found->second = FateOf(module_, "", name);
    return found->second ? &*found->second : nullptr;
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
    // Where it was recorded for its own sake, its code is for that: `forward` is flat, and calls nobody.
    if (given) {
      std::erase_if(prefixes, [this](const std::string& prefix) {
        return std::none_of(recording_.trails.begin(), recording_.trails.end(),
                            [&](const std::string& trail) { return prefix.rfind(trail, 0) == 0; });
      });
    }
    fate.given = given;
    fate.called = !prefixes.empty();
    fate.internal = !given && (IsPrivate(name) || IsOverload(name) || (!path.empty() && !prefixes.empty()));
    // How PyTorch's own layers work is nobody's interface.
    const auto class_name = module.type()->name();
    const bool layer = class_name && class_name->qualifiedName().rfind("__torch__.torch.nn.", 0) == 0;
    fate.told = !(layer && fate.internal && !path.empty());
    Follow(context_, module, prefixes, given, fate);
    if (!fate.obstacle.empty()) Drop(fate, fate.obstacle);
    return fate;
  }

  static void Drop(MethodFate& fate, std::string why) {
    fate.kind = MethodFate::Kind::kDropped;
    fate.edited = nullptr;
    fate.closed.clear();
    fate.obstacle = std::move(why);
  }

  MethodFate* OwnFate(const std::string& name) {
    const auto found = std::find_if(fates_.begin(), fates_.end(),
                                    [&](const MethodFate& fate) { return fate.path.empty() && fate.name == name; });
    return found == fates_.end() ? nullptr : &*found;
  }

  // Whoever calls a method that `forward` doesn't call counts on what it gives. (What `forward` does is how it works.)
  void DropNarrower() {
    for (MethodFate& fate : fates_) {
      const bool narrower = !fate.called && !fate.Goes() && !fate.gives.from.empty();
      if (narrower) Drop(fate, "it gives what is cut of " + fate.gives.from);
    }
  }

  // A method of the root that calls one that goes can't stay. One that `forward` doesn't call may go another way than
  // it does in those that it calls.
  void DropCallers() {
    for (bool changed = true; changed;) {
      changed = false;
      for (MethodFate& fate : fates_) {
        if (!fate.path.empty() || fate.Goes()) continue;
        const std::string why = ObstacleIn(fate);
        if (why.empty()) continue;
        Drop(fate, why);
        changed = true;
      }
    }
  }

  std::string ObstacleIn(const MethodFate& fate) {
    for (const std::string& name : fate.calls) {
      const MethodFate* other = OwnFate(name);
      if (other != nullptr && other->Goes()) return "it calls `" + name + "`: " + other->obstacle;
    }
    if (fate.called) return "";
    std::vector<std::string> open(fate.calls.begin(), fate.calls.end());
    for (std::set<std::string> seen; !open.empty();) {
      const std::string name = open.back();
      open.pop_back();
      const MethodFate* other = OwnFate(name);
      if (other == nullptr || !seen.insert(name).second) continue;
      if (!other->closed.empty()) {
        return "it calls `" + name + "`, which raises where `forward` never goes: " + other->closed[0].reason;
      }
      open.insert(open.end(), other->calls.begin(), other->calls.end());
    }
    return "";
  }

  const Recording& recording_;
  const Module& module_;
  const Cutting context_;
  std::map<std::string, std::optional<MethodFate>> root_;
  std::vector<MethodFate> fates_;
  std::vector<const void*> types_;
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
