// Lists, tuples and dicts: elements keep their ids.

#include <ATen/core/Dict.h>
#include <ATen/core/List.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <set>

#include "script/record/recorder.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Node;
using torch::jit::Value;
namespace prim = c10::prim;
namespace attr = c10::attr;

namespace {

const std::set<std::string>& StructureKinds() {
  static const auto* kinds = new std::set<std::string>{
      "prim::ListConstruct", "prim::TupleConstruct", "prim::DictConstruct", "prim::ListUnpack",
      "prim::TupleUnpack",   "prim::TupleIndex",     "prim::TupleSlice",    "prim::unchecked_cast"};
  return *kinds;
}

// prim::ListConstruct and the like, on values or on shadows.
std::vector<IValue> BuildStructure(const Node* node, const std::vector<IValue>& in, bool shadows) {
  const auto kind = node->kind();
  const auto out_type = node->outputs().empty() ? nullptr : node->output(0)->type();
  if (kind == prim::ListConstruct) {
    c10::impl::GenericList list(shadows ? c10::TypePtr(c10::AnyType::get())
                                        : out_type->expect<c10::ListType>()->getElementType());
    for (const IValue& item : in) list.push_back(item);
    return {list};
  }
  if (kind == prim::TupleConstruct) {
    const auto type = out_type->expect<c10::TupleType>();
    if (type->schema() && !shadows) return {c10::ivalue::Tuple::createNamed(in, type)};
    return {c10::ivalue::Tuple::create(in)};
  }
  if (kind == prim::ListUnpack) return in[0].toListRef().vec();
  if (kind == prim::TupleUnpack) return in[0].toTupleRef().elements();
  if (kind == prim::TupleSlice) {
    const auto& items = in[0].toTupleRef().elements();
    const int64_t begin = node->i(attr::beg), end = node->i(attr::end);
    return {c10::ivalue::Tuple::create(std::vector<IValue>(items.begin() + begin, items.begin() + end))};
  }
  return {in[0]};  // prim::unchecked_cast
}

}  // namespace

bool Recorder::IsStructure(const Node* node) { return StructureKinds().contains(node->kind().toQualString()); }

bool Recorder::MovesElements(const c10::FunctionSchema& schema) {
  if (schema.name() == "aten::items" || schema.is_vararg()) return false;
  bool any = false;
  for (const auto& argument : schema.arguments()) any = any || argument.type()->hasFreeVariables();
  for (const auto& result : schema.returns()) any = any && result.type()->hasFreeVariables();
  return any;
}

// Builds and takes apart containers; elements keep their ids.
void Recorder::Structure(Node* node, Env& env) {
  std::vector<IValue> values, shadows;
  for (const Value* input : node->inputs()) {
    Slot& slot = At(env, input);
    values_.Of(slot);
    values.push_back(slot.value);
    shadows.push_back(slot.shadow);
  }
  std::vector<Slot> outputs;
  if (node->kind() == prim::DictConstruct) {
    const auto type = node->output()->type()->expect<c10::DictType>();
    c10::impl::GenericDict dict(type->getKeyType(), type->getValueType());
    c10::impl::GenericDict shadow(type->getKeyType(), c10::AnyType::get());
    for (size_t i = 0; i + 1 < values.size(); i += 2) {
      dict.insert_or_assign(values[i], values[i + 1]);
      shadow.insert_or_assign(values[i], shadows[i + 1]);
    }
    outputs.push_back({dict, shadow});
  } else if (node->kind() == prim::TupleIndex) {
    const auto& items = values[0].toTupleRef().elements();
    const int64_t index = values[1].toInt() < 0 ? values[1].toInt() + items.size() : values[1].toInt();
    outputs.push_back({items.at(index), shadows[0].toTupleRef().elements().at(index)});
  } else {
    auto made = BuildStructure(node, values, false);
    auto made_shadows = BuildStructure(node, shadows, true);
    for (size_t i = 0; i < made.size(); ++i) outputs.push_back({made[i], made_shadows.at(i)});
  }
  TORCH_CHECK(outputs.size() == node->outputs().size(), "expected ", node->outputs().size(), " values, got ",
              outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    values_.Know(outputs[i]);
    env[node->output(i)] = std::move(outputs[i]);
  }
}

// `parts[i]`, `parts[:n]`, … with a number that the program computes.
void Recorder::Choice(Node* node, Env& env) {
  const auto& arguments = node->schema().arguments();
  Op op{Id(node), {Arg{-1, true, {}}}, {}, speculation_ != nullptr, true};
  bool computed = false;
  for (size_t i = 0; i < node->inputs().size(); ++i) {
    const Arg arg = values_.Of(At(env, node->input(i)));
    if (arguments.at(i).type()->hasFreeVariables()) {
      op.inputs[0].items.push_back(arg);
    } else {
      computed = computed || node->input(i)->node()->kind() != prim::Constant;
      op.inputs.push_back(arg);
    }
  }
  if (computed) AddOp(std::move(op));
}

// The same operator once on the containers and once on their shadows.
void Recorder::Elements(Node* node, Env& env) {
  const auto& arguments = node->schema().arguments();
  std::vector<IValue> values, shadows;
  for (size_t i = 0; i < node->inputs().size(); ++i) {
    Slot& slot = At(env, node->input(i));
    values_.Of(slot);
    values.push_back(slot.value);
    shadows.push_back(arguments.at(i).type()->hasFreeVariables() ? slot.shadow : slot.value);
  }
  Choice(node, env);
  const auto made = Execute(node, values);
  std::vector<IValue> made_shadows;
  try {
    made_shadows = Execute(node, shadows);
  } catch (const std::exception&) {
    // It looks into the elements after all (dict of pairs): they are unknown now, but for tensors, which know
    // themselves.
    for (const IValue& value : values) values_.Forget(value);
    made_shadows.assign(made.size(), IValue());
  }
  for (size_t i = 0; i < made.size(); ++i) {
    Slot slot{made[i], made_shadows.at(i)};
    if (!slot.shadow.isNone()) values_.Know(slot);
    env[node->output(i)] = std::move(slot);
  }
  // A list of numbers that is written to no longer holds what its construction says.
  if (!Facts(node).mutates || !values[0].isList()) return;
  const auto kind = values[0].toList().elementType()->kind();
  if (kind == c10::TypeKind::TensorType) return;
  Op op{Id(node), {}, {}, speculation_ != nullptr};
  Slot list{values[0], IValue()};
  Renew(list, op);
  if (!op.outputs.empty()) AddOp(std::move(op));
}

}  // namespace espalier::script
