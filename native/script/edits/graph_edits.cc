#include "script/edits/graph_edits.h"

#include <ATen/Functions.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "script/edits/sources.h"
#include "script/error.h"
#include "script/graph/scope.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;
namespace aten = c10::aten;
namespace prim = c10::prim;

namespace {

class Editor {
 public:
  Editor(Graph& graph, const Recording* recording)
      : graph_(graph), recording_(recording), nodes_(NodesInOrder(graph)) {}

  void Make(const CutRequest::Constant& edit) {
    Node* user = UserOf(edit.place);
    const auto type = Current(edit.place)->type();
    torch::jit::WithInsertPoint guard(user);
    Put(edit.place, Insert(user, Typed(edit.value, type)));
  }

  void Make(const CutRequest::Scaled& edit) {
    Node* user = UserOf(edit.place);
    Value* old = Current(edit.place);
    if (!edit.entries.empty()) {
      Restorer restorer(*this, edit, user);
      old = restorer.Of(old);
      if (!restorer.Complete()) {
        throw Error("ERR_UNSUPPORTED", Describe(NodeOf(edit.place)) + " computes with a width out of reach");
      }
      Put(edit.place, old);
    }
    if (edit.multiply == edit.divide) return;
    if (!old->type()->isSubtypeOf(*c10::IntType::get())) {
      throw Error("ERR_UNSUPPORTED",
                  Describe(NodeOf(edit.place)) + ": only an int can be scaled, not " + old->type()->repr_str());
    }
    Put(edit.place, Times(user, old, edit.multiply, edit.divide));
  }

  void Make(const CutRequest::Rewrite& edit) {
    Node* node = NodeOf(edit.node);
    const auto results = sources_.Insert(node, edit, [this, node](Node* made) { Follow(made, node); });
    for (size_t i = 0; i < results.size(); ++i) {
      node->output(i)->replaceAllUsesWith(results[i]);
      MoveGives(node->output(i), results[i]);
    }
    replaced_.push_back(node);
  }

  void Make(const CutRequest::Close& edit) {
    Node* node = NodeOf(edit.node);
    if (edit.block < 0 || edit.block >= static_cast<int64_t>(node->blocks().size())) {
      throw Error("ERR_INVALID_ARGUMENT", Describe(node) + " has no block " + std::to_string(edit.block));
    }
    closed_.push_back({node->blocks()[edit.block], edit.method});
  }

  void Make(const CutRequest::Tensor& edit) {
    Node* user = UserOf(edit.place);
    Value* value = Current(edit.place);
    torch::jit::WithInsertPoint guard(user);
    const auto constant = torch::jit::toIValue(value);
    if (constant && constant->isTensor()) {
      at::Tensor tensor = constant->toTensor();
      for (const auto& slice : edit.slices) tensor = tensor.index_select(slice.dim, at::tensor(slice.keep, at::kLong));
      value = Insert(user, tensor.contiguous());
    } else {
      for (const auto& slice : edit.slices) value = Pick(value, slice.dim, slice.keep, user);
    }
    Put(edit.place, value);
  }

  // Nodes that a rewrite replaced go last, so that ids stay good until then.
  void Finish() {
    for (Node* node : replaced_) node->destroy();
    for (const auto& [block, method] : closed_) {
      const std::string branch =
          method.empty() ? "This branch was closed when the model was cut: its example inputs do"
                         : "This branch of `" + method + "` was closed when the model was cut: `forward` does";
      Close(block, block->owningNode(), branch + " not take it");
    }
  }

  // What is left of the block raises; blocks within others come first. `origin`: where that comes from.
  void Close(torch::jit::Block* block, Node* origin, const std::string& message) {
    torch::jit::WithInsertPoint guard(block);
    std::vector<Value*> none;
    for (const Value* output : block->outputs()) {
      none.push_back(graph_.insertNode(graph_.createUninitialized(output->type()))->output());
    }
    Value* why = Insert(origin, IValue(message));
    Value* type = Insert(origin, IValue("RuntimeError"));
    Node* raise = graph_.insertNode(graph_.create(prim::RaiseException, {why, type}, 0));
    Follow(raise, origin);
    for (size_t i = 0; i < none.size(); ++i) block->replaceOutput(i, none[i]);
    const std::set<const Node*> left = [&] {
      std::set<const Node*> nodes{raise, why->node(), type->node()};
      for (const Value* value : none) nodes.insert(value->node());
      return nodes;
    }();
    for (auto node = block->nodes().rbegin(); node != block->nodes().rend(); ++node) {
      if (!left.contains(*node)) node.destroyCurrent();
    }
  }

 private:
  // A number computed anew before `user`, for it alone, with the sizes of cut tensors put back to what they were.
  class Restorer {
   public:
    Restorer(Editor& editor, const CutRequest::Scaled& edit, Node* user) : editor_(editor), user_(user) {
      for (const auto& entry : edit.entries) {
        entries_[editor.NodeOf(entry.node)].push_back(&entry);
      }
    }

    Value* Of(Value* value) {
      const auto known = made_.find(value);
      if (known != made_.end()) return known->second;
      Node* node = value->node();
      const auto entry = entries_.find(node);
      if (entry != entries_.end()) return made_[value] = Entry(value, entry->second);
      made_[value] = value;
      if (!IsArithmetic(node)) return value;
      std::vector<Value*> inputs;
      for (Value* input : node->inputs()) inputs.push_back(Of(input));
      if (std::equal(inputs.begin(), inputs.end(), node->inputs().begin())) return value;
      Node* copy = editor_.graph_.createClone(node, [](Value* same) { return same; });
      for (size_t i = 0; i < inputs.size(); ++i) copy->replaceInput(i, inputs[i]);
      editor_.Add(user_, copy);
      for (size_t i = 0; i < copy->outputs().size(); ++i) made_[node->output(i)] = copy->output(i);
      return made_.at(value);
    }

    // Whether every size was met on the way.
    bool Complete() const { return met_.size() == entries_.size(); }

   private:
    Value* Entry(Value* value, const std::vector<const CutRequest::Entry*>& entries) {
      met_.insert(value->node());
      const auto times = [&](Value* size, const CutRequest::Entry& entry) {
        return editor_.Times(user_, size, entry.multiply, entry.divide);
      };
      if (!entries[0]->element) return times(value, *entries[0]);
      Node* unpack = editor_.graph_.createListUnpack(value, entries[0]->size);
      editor_.Add(user_, unpack);
      std::vector<Value*> sizes = unpack->outputs().vec();
      for (const auto* entry : entries) sizes.at(*entry->element) = times(sizes.at(*entry->element), *entry);
      Node* list = editor_.graph_.createList(c10::IntType::get(), sizes);
      editor_.Add(user_, list);
      return list->output();
    }

    // Only numbers and lists of them are computed anew, no tensors but those of no dimension that traces compute with.
    static bool IsArithmetic(const Node* node) {
      static const std::set<std::string> kScalars = {
          "prim::NumToTensor", "aten::Int",    "aten::IntImplicit",  "aten::Float",       "aten::FloatImplicit",
          "aten::item",        "aten::Bool",   "aten::floor_divide", "aten::true_divide", "aten::ScalarImplicit",
          "aten::add",         "aten::sub",    "aten::mul",          "aten::div",         "aten::remainder",
          "aten::pow",         "aten::sqrt",   "aten::floor",        "aten::ceil",        "aten::neg",
          "aten::to",          "aten::detach", "aten::clone",        "aten::rsub",        "aten::abs"};
      const auto* schema = node->maybeSchema();
      if (!node->blocks().empty() || node->hasSideEffects() || (schema != nullptr && schema->is_mutable()))
        return false;
      if (node->kind() == prim::Param || node->kind() == prim::Constant || node->kind() == prim::GetAttr) return false;
      if (kScalars.contains(node->kind().toQualString())) return true;
      return std::none_of(node->inputs().begin(), node->inputs().end(),
                          [](const Value* input) { return input->type()->isSubtypeOf(*c10::TensorType::get()); });
    }

    Editor& editor_;
    Node* user_;
    std::unordered_map<Node*, std::vector<const CutRequest::Entry*>> entries_;
    std::unordered_map<Value*, Value*> made_;
    std::set<Node*> met_;
  };

  // `value * multiply / divide`, before `user`.
  Value* Times(Node* user, Value* value, int64_t multiply, int64_t divide) {
    torch::jit::WithInsertPoint guard(user);
    if (multiply != 1) value = Compute(user, aten::mul, {value, Insert(user, multiply)}, c10::IntType::get());
    if (divide == 1) return value;
    return Compute(user, aten::floordiv, {value, Insert(user, divide)}, c10::IntType::get());
  }

  Node* NodeOf(int64_t node) const {
    if (node < 0 || node >= static_cast<int64_t>(nodes_.size())) {
      throw Error("ERR_INVALID_ARGUMENT", "The recording has no node " + std::to_string(node));
    }
    return nodes_[node];
  }

  Node* NodeOf(const CutRequest::Place& place) const {
    Node* node = NodeOf(place.node);
    if (place.input < 0 || place.input >= static_cast<int64_t>(node->inputs().size())) {
      throw Error("ERR_INVALID_ARGUMENT", Describe(node) + " has no input " + std::to_string(place.input));
    }
    return node;
  }

  // What takes the number: the node, or the list that it takes.
  Node* UserOf(const CutRequest::Place& place) { return place.element ? List(place) : NodeOf(place); }

  Value* Current(const CutRequest::Place& place) {
    Node* node = NodeOf(place);
    return place.element ? List(place)->input(*place.element) : node->input(place.input);
  }

  void Put(const CutRequest::Place& place, Value* value) {
    Node* node = NodeOf(place);
    if (place.element) {
      List(place)->replaceInput(*place.element, value);
    } else {
      node->replaceInput(place.input, value);
    }
  }

  // The list that the node takes at that input, as a ListConstruct that nothing else uses.
  Node* List(const CutRequest::Place& place) {
    Node* node = NodeOf(place);
    Value* list = node->input(place.input);
    Node* made = list->node();
    if (made->kind() == prim::ListConstruct && list->uses().size() == 1) return Checked(node, made, *place.element);
    torch::jit::WithInsertPoint guard(node);
    const auto size =
        recording_->list_sizes.find({static_cast<int32_t>(place.node), static_cast<int32_t>(place.input)});
    if (size == recording_->list_sizes.end()) {
      throw Error("ERR_UNSUPPORTED", Describe(node) + ": the length of a list of sizes is not known");
    }
    Node* unpack = graph_.createListUnpack(list, size->second);
    Add(node, unpack);
    const auto type = list->type()->expect<c10::ListType>()->getElementType();
    Node* own = graph_.createList(type, unpack->outputs());
    Add(node, own);
    node->replaceInput(place.input, own->output());
    return Checked(node, own, *place.element);
  }

  Node* Checked(Node* node, Node* list, int64_t element) const {
    if (element >= 0 && element < static_cast<int64_t>(list->inputs().size())) return list;
    throw Error("ERR_INVALID_ARGUMENT", Describe(node) + ": its list has no element " + std::to_string(element));
  }

  // `value[:, …, indices]` along `dim`, at the insert point. Unlike index_select it takes an index on the CPU for a
  // tensor elsewhere.
  Value* Pick(Value* value, int64_t dim, const std::vector<int64_t>& indices, Node* origin) {
    std::vector<Value*> list(dim, nullptr);
    for (Value*& none : list) none = Insert(origin, IValue());
    list.push_back(Insert(origin, IValue(at::tensor(indices, at::kLong))));
    Node* made = graph_.insertNode(graph_.createList(c10::OptionalType::ofTensor(), list));
    made->setSourceRange(origin->sourceRange());
    Follow(made, origin);
    return Call(origin, aten::index, {value, made->output()});
  }

  // An operator at the insert point, with defaults filled in by its schema.
  Value* Call(Node* origin, c10::Symbol kind, at::ArrayRef<torch::jit::NamedValue> arguments) {
    Value* result = graph_.insert(kind, arguments, {}, origin->sourceRange());
    Follow(result->node(), origin);
    return result;
  }

  // A number in the form that the place asks for.
  static IValue Typed(const IValue& value, const c10::TypePtr& type) {
    c10::TypePtr wanted = type;
    if (const auto optional = wanted->cast<c10::OptionalType>()) wanted = optional->getElementType();
    if (wanted->kind() == c10::TypeKind::FloatType && value.isInt()) return static_cast<double>(value.toInt());
    if (wanted->kind() == c10::TypeKind::IntType && value.isDouble()) return static_cast<int64_t>(value.toDouble());
    if (wanted->kind() == c10::TypeKind::TensorType && value.isScalar())
      return at::scalar_tensor(value.toScalar(), ScalarType(value));
    return value;
  }

  static at::ScalarType ScalarType(const IValue& value) { return value.isInt() ? at::kLong : at::kDouble; }

  Value* Insert(Node* node, const IValue& value) {
    Value* constant = graph_.insertConstant(value, node->sourceRange());
    Follow(constant->node(), node);
    return constant;
  }

  Value* Compute(Node* node, c10::Symbol kind, std::vector<Value*> inputs, const c10::TypePtr& type) {
    Node* made = graph_.create(kind, inputs, 1);
    made->output()->setType(type);
    Add(node, made);
    return made->output();
  }

  void Add(Node* node, Node* made) {
    made->setSourceRange(node->sourceRange());
    Follow(made, node);
    made->insertBefore(node);
  }

  // A node that is made for another one.
  void Follow(Node* made, Node* origin) {
    SetScope(made, CallOf(origin));
    const std::string trail = TrailOf(origin);
    if (!trail.empty()) SetTrail(made, trail + "+" + std::to_string(made_[trail]++));
  }

  static std::string Describe(const Node* node) {
    return std::string(node->kind().toQualString()) + " in '" + ScopeOf(node) + "'";
  }

  Graph& graph_;
  const Recording* const recording_;
  std::vector<Node*> nodes_;
  Sources sources_;
  std::vector<Node*> replaced_;
  std::vector<std::pair<torch::jit::Block*, std::string>> closed_;  // with the method that they are of
  std::unordered_map<std::string, int> made_;                       // for a node, by its trail
};

}  // namespace

void EditGraph(Graph& graph, const Recording& recording, const CutRequest& request) {
  Editor editor(graph, &recording);
  const auto make = [&editor](const auto& edits) {
    for (const auto& edit : edits) editor.Make(edit);
  };
  std::apply([&make](const auto&... edits) { (make(edits), ...); }, request.Edits());
  editor.Finish();
}

void CloseGraph(Graph& graph, const std::string& method) {
  Node* first = *graph.nodes().begin();
  Editor(graph, nullptr)
      .Close(graph.block(), first,
             "`" + method + "` was closed when the model was cut: it could not be cut for all of its callers");
}

}  // namespace espalier::script
