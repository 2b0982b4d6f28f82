#include "script/methods/follow.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "script/edits/graph_edits.h"
#include "script/error.h"
#include "script/graph/inline.h"
#include "script/graph/prepare.h"
#include "script/graph/scope.h"

namespace espalier::script {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;
namespace attr = c10::attr;
namespace prim = c10::prim;

namespace {

bool IsNumeric(c10::TypePtr type) {
  if (const auto optional = type->cast<c10::OptionalType>()) type = optional->getElementType();
  if (const auto list = type->cast<c10::ListType>()) type = list->getElementType();
  return type->isSubtypeOf(*c10::NumberType::get());
}

bool IsConstant(const Value* value) {
  const Node* node = value->node();
  if (node->kind() != prim::ListConstruct) return node->kind() == prim::Constant;
  return std::all_of(node->inputs().begin(), node->inputs().end(), IsConstant);
}

class Follower {
 public:
  Follower(const Cutting& cutting, const Module& module, const std::vector<std::string>& prefixes, bool given,
           MethodFate& fate)
      : cutting_(cutting),
        module_(module),
        prefixes_(prefixes),
        given_(given),
        fate_(fate),
        own_(PrepareMethod(module, fate.path, fate.name, cutting.recording.prepared->written)) {}

  void Run() {
    fate_.reads = Reads(*own_.graph, fate_.path);
    for (const Node* node : own_.nodes) {
      if (fate_.path.empty() && node->kind() == prim::CallMethod) fate_.calls.insert(node->s(attr::name));
    }
    if (!Move() || !CloseUnentered()) return;
    const bool edited = edits_ && !Text(edits_->edits).empty();
    if (finding_.computes || !finding_.obstacle.empty() || edited) fate_.kind = MethodFate::Kind::kCut;
    if (edited) {
      Recording places = cutting_.recording;
      places.list_sizes = edits_->list_sizes;
      EditGraph(*own_.graph, places, edits_->edits);
    }
    const bool stale = RemoveStale();
    // What forward runs of it is found again by its trails, when the model is cut again.
    const bool marked = !prefixes_.empty();
    if (stale || edited || marked) fate_.edited = own_.graph;
    fate_.only_marked = !stale && !edited;
  }

 private:
  bool Fail(std::string why) {
    fate_.obstacle = std::move(why);
    return false;
  }

  // The edits of each call of it, for its own code.
  bool Move() {
    for (const std::string& prefix : prefixes_) {
      Transfer each(cutting_.recording, own_, prefix);
      const std::string obstacle = each.Run(cutting_.request);
      if (!obstacle.empty()) return Fail(obstacle);
      if (edits_ && Text(edits_->edits) != Text(each.edits)) {
        return Fail("`forward` calls it several times, and each is cut apart");
      }
      if (!edits_) edits_.emplace(std::move(each));
    }
    return true;
  }

  // Where its code can't be cut along, in branches that `forward` never enters, they are closed.
  bool CloseUnentered() {
    Familiar familiar;
    familiar.called = !prefixes_.empty();
    familiar.known = [this](const Node* node) { return IsKnown(node); };
    familiar.entered = [this](const Block* block) { return IsEntered(block); };
    familiar.given = [this](const std::string& name) { return GivenBy(name); };
    familiar.plain = Plain();
    if (edits_) {
      for (const int64_t node : PlacesOf(edits_->edits)) familiar.edited.insert(own_.nodes.at(node));
      for (const auto& edit : edits_->edits.closed) {
        familiar.closed.insert(own_.nodes.at(edit.node)->blocks().at(edit.block));
      }
    }
    for (;;) {
      finding_ = Assignment(familiar.closed);
      if (finding_.obstacle.empty()) {
        finding_ = CheckWidths(module_, fate_.path, *own_.graph, cutting_.cut, familiar);
      }
      // What was recorded for its own sake the analysis has seen, and the verification runs.
      if (given_ || finding_.obstacle.empty()) break;
      const Block* block = Unentered(finding_, familiar.closed);
      if (block == nullptr) return Fail(finding_.obstacle);
      const Node* owner = block->owningNode();
      const int64_t index = owner->blocks()[0] == block ? 0 : 1;
      familiar.closed.insert(block);
      edits_->edits.closed.push_back({own_.ids.at(owner), index, fate_.name});
      fate_.closed.push_back({finding_.obstacle});
    }
    if (!given_) fate_.gives = finding_.gives;
    return true;
  }

  // The first that `forward` doesn't make, of what decides sizes there.
  WidthFinding Assignment(const std::set<const Block*>& closed) const {
    WidthFinding finding;
    for (const Node* node : own_.nodes) {
      if (node->kind() != prim::SetAttr || cutting_.cut.empty() || given_ || IsKnown(node)) continue;
      const auto owner = ModulePath(node->input(0));
      const std::string name = JoinPath(fate_.path, JoinPath(owner.value_or("?"), node->s(attr::name)));
      if ((owner && !cutting_.sizing.contains(name)) || IsWithin(node, closed)) continue;
      finding.obstacle = "it sets " + name + ", on which sizes of what is cut may depend";
      finding.node = node;
      break;
    }
    return finding;
  }

  static bool IsWithin(const Node* node, const std::set<const Block*>& blocks) {
    for (const Block* block = node->owningBlock(); block != nullptr; block = Around(block)) {
      if (blocks.contains(block)) return true;
    }
    return false;
  }

  static const Block* Around(const Block* block) {
    const Node* owner = block->owningNode();
    return owner == nullptr ? nullptr : owner->owningBlock();
  }

  // The nearest branch around an obstacle that `forward` doesn't enter; null when there is none.
  const Block* Unentered(const WidthFinding& finding, const std::set<const Block*>& closed) const {
    if (prefixes_.empty()) return nullptr;
    if (finding.join) {
      std::vector<const Block*> open;
      for (const Block* block : finding.node->blocks()) {
        if (!closed.contains(block) && !IsEntered(block)) open.push_back(block);
      }
      if (open.size() == 1) return open[0];
    }
    for (const Block* block = finding.node->owningBlock(); Around(block) != nullptr; block = Around(block)) {
      if (block->owningNode()->kind() == prim::If && !IsEntered(block)) return block;
    }
    return nullptr;
  }

  // A block without operators of its own is taken by calls that leave the others of its `if` out.
  bool IsEntered(const Block* block) const {
    const auto siblings = block->owningNode()->blocks();
    return std::any_of(prefixes_.begin(), prefixes_.end(), [&](const std::string& prefix) {
      if (Has(block, nullptr)) return Has(block, &prefix);
      return std::none_of(siblings.begin(), siblings.end(), [&](const Block* other) { return Has(other, &prefix); });
    });
  }

  // Whether a block has operators that a call runs, or without a call, any.
  bool Has(const Block* block, const std::string* prefix) const {
    return std::any_of(block->nodes().begin(), block->nodes().end(), [&](const Node* node) {
      const auto inner = node->blocks();
      const bool own = node->kind() != prim::Constant && node->kind() != prim::GetAttr;
      if (own && (prefix == nullptr || IsKnownIn(*prefix, node))) return true;
      return std::any_of(inner.begin(), inner.end(), [&](const Block* each) { return Has(each, prefix); });
    });
  }

  Narrower GivenBy(const std::string& name) const {
    const MethodFate* other = cutting_.other(name);
    return other == nullptr ? Narrower{"what `" + name + "` gives"} : other->gives;
  }

  // Numbers that it is given as constants wherever `forward` uses them: none comes from a width.
  std::set<const Value*> Plain() const {
    std::set<const Value*> plain;
    for (const Value* input : own_.graph->inputs()) {
      if (!IsNumeric(input->type())) continue;
      const auto& uses = input->uses();
      const bool constant = std::all_of(uses.begin(), uses.end(), [&](const torch::jit::Use& use) {
        return std::all_of(prefixes_.begin(), prefixes_.end(), [&](const std::string& prefix) {
          const Node* there = InForward(prefix, use.user);
          return there == nullptr || (use.offset < there->inputs().size() && IsConstant(there->input(use.offset)));
        });
      });
      if (constant) plain.insert(input);
    }
    return plain;
  }

  const Node* InForward(const std::string& prefix, const Node* node) const {
    const std::string trail = TrailOf(node);
    if (trail.empty()) return nullptr;
    const auto found = cutting_.forward.find(prefix + trail);
    const bool same =
        found != cutting_.forward.end() && found->second != nullptr && found->second->kind() == node->kind();
    return same ? found->second : nullptr;
  }

  bool IsKnownIn(const std::string& prefix, const Node* node) const {
    if (node->kind() != prim::CallMethod) return InForward(prefix, node) != nullptr;
    const std::string trail = prefix + TrailInto(node, "");
    const auto& calls = cutting_.recording.prepared->calls;
    return std::any_of(calls.begin(), calls.end(), [&](const auto& call) { return call.trail == trail; });
  }

  bool IsKnown(const Node* node) const {
    return std::any_of(prefixes_.begin(), prefixes_.end(),
                       [&](const std::string& prefix) { return IsKnownIn(prefix, node); });
  }

  bool RemoveStale() {
    bool any = false;
    for (Node* node : NodesInOrder(*own_.graph)) {
      const std::string trail = TrailOf(node);
      for (const StaleAssertion& stale : cutting_.stale) {
        const bool same = std::any_of(prefixes_.begin(), prefixes_.end(),
                                      [&](const std::string& prefix) { return prefix + trail == stale.trail; });
        if (!same || node->kind() != prim::If) continue;
        torch::jit::WithInsertPoint guard(node);
        node->replaceInput(0, own_.graph->insertConstant(stale.condition));
        any = true;
      }
    }
    return any;
  }

  const Cutting& cutting_;
  const Module& module_;
  const std::vector<std::string>& prefixes_;
  const bool given_;
  MethodFate& fate_;
  PreparedGraph own_;
  std::optional<Transfer> edits_;
  WidthFinding finding_;
};

}  // namespace

void Follow(const Cutting& cutting, const Module& module, const std::vector<std::string>& prefixes, bool given,
            MethodFate& fate) {
  try {
    Follower(cutting, module, prefixes, given, fate).Run();
  } catch (const Error& error) {
    fate.obstacle = error.message;
  }
  const bool inner = !prefixes.empty() && !given && fate.path.empty();
  if (fate.obstacle.empty() || !inner) return;
  // Whoever called it gets an answer.
  fate.kind = MethodFate::Kind::kCut;
  fate.edited = module.get_method(fate.name).graph()->copy();
  fate.closed = {{fate.obstacle, true}};
  fate.reads.clear();
  fate.calls.clear();
  fate.obstacle.clear();
  CloseGraph(*fate.edited, fate.name);
}

}  // namespace espalier::script
