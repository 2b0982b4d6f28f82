#include "script/methods/sizing.h"

#include <algorithm>
#include <vector>

#include "script/graph/scope.h"

namespace espalier::script {

using torch::jit::Node;
using torch::jit::Value;
namespace attr = c10::attr;
namespace prim = c10::prim;

namespace {

bool IsHeld(const Value* value) { return value->node()->kind() == prim::GetAttr; }

// It puts a value into an attribute, or into a list or dict in one. The analysis knows that what is read there is no
// constant, and removes nothing that depends on it.
bool Keeps(const Node* node) {
  if (node->kind() == prim::SetAttr) return true;
  const auto goes = [](const Value* made) {
    const auto& uses = made->uses();
    return std::all_of(uses.begin(), uses.end(), [](const torch::jit::Use& use) { return Keeps(use.user); });
  };
  const bool builds = node->kind() == prim::ListConstruct || node->kind() == prim::TupleConstruct ||
                      node->kind() == prim::DictConstruct;
  if (builds) return goes(node->output());
  const auto* schema = node->maybeSchema();
  if (schema == nullptr || node->inputs().empty() || !IsHeld(node->input(0))) return false;
  const auto* alias = schema->arguments()[0].alias_info();
  const auto kind = node->input(0)->type()->kind();
  const bool container = kind == c10::TypeKind::ListType || kind == c10::TypeKind::DictType;
  return container && alias != nullptr && alias->isWrite() &&
         std::all_of(node->outputs().begin(), node->outputs().end(), goes);
}

}  // namespace

std::set<std::string> Sizing(const PreparedGraph& prepared) {
  const auto is_number = [](const Value* value) {
    const auto kind = value->type()->kind();
    return kind == c10::TypeKind::IntType || kind == c10::TypeKind::FloatType || kind == c10::TypeKind::BoolType ||
           kind == c10::TypeKind::NoneType;
  };
  const auto sizes = [&](const Value* number) {
    std::vector<const Value*> open = {number};
    std::set<const Value*> seen;
    while (!open.empty()) {
      const Value* value = open.back();
      open.pop_back();
      if (!seen.insert(value).second) continue;
      for (const auto& use : value->uses()) {
        const Node* node = use.user;
        const auto outputs = node->outputs();
        if (Keeps(node)) continue;
        // (A number that each element is added to, multiplied by, … decides no size.)
        static const std::set<std::string> plain = {"prim::If",  "prim::Print", "aten::add", "aten::sub",
                                                    "aten::mul", "aten::div",   "aten::pow"};
        const bool tensor = outputs.size() == 1 && outputs[0]->type()->isSubtypeOf(*c10::TensorType::get());
        if (plain.contains(node->kind().toQualString()) && (outputs.empty() || tensor || !node->blocks().empty())) {
          continue;
        }
        if (node->kind() == prim::Loop || outputs.empty() || !std::all_of(outputs.begin(), outputs.end(), is_number)) {
          return true;
        }
        open.insert(open.end(), outputs.begin(), outputs.end());
      }
    }
    return false;
  };
  std::set<std::string> names;
  for (const Node* node : prepared.nodes) {
    if (node->kind() != prim::GetAttr || node->output()->type()->kind() != c10::TypeKind::IntType) continue;
    const auto owner = ModulePath(node->input(0));
    if (owner && sizes(node->output())) names.insert(JoinPath(*owner, node->s(attr::name)));
  }
  return names;
}

}  // namespace espalier::script
