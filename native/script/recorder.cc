#include "script/recorder.h"

#include <ATen/core/Dict.h>
#include <ATen/core/List.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <algorithm>
#include <set>

#include "script/bounds.h"
#include "script/error.h"
#include "script/out_of_memory.h"
#include "script/scope.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;
namespace prim = c10::prim;
namespace attr = c10::attr;

namespace {

// No program may keep the recorder busy for ever, nor fill the memory.
constexpr int64_t kMaxSteps = 20'000'000;
constexpr int64_t kMaxSpeculativeSteps = 200'000;
constexpr size_t kMaxOps = 300'000;
constexpr size_t kMaxValues = 3'000'000;

struct SpeculationTooLong : std::exception {};

// What the check threw. It is no failure of the operators around it, so it is none of their exceptions either.
struct Stopped {
  std::exception_ptr why;
};

void Ask(const std::function<void()>& check) {
  try {
    check();
  } catch (...) {
    throw Stopped{std::current_exception()};
  }
}

const std::set<std::string>& StructureKinds() {
  static const auto* kinds = new std::set<std::string>{
      "prim::ListConstruct", "prim::TupleConstruct", "prim::DictConstruct", "prim::ListUnpack",
      "prim::TupleUnpack",   "prim::TupleIndex",     "prim::TupleSlice",    "prim::unchecked_cast"};
  return *kinds;
}

// The operator only moves elements of containers about, whatever they are: append, slice, +, __getitem__ …
bool MovesElements(const c10::FunctionSchema& schema) {
  if (schema.name() == "aten::items" || schema.is_vararg()) return false;
  bool any = false;
  for (const auto& argument : schema.arguments()) any = any || argument.type()->hasFreeVariables();
  for (const auto& result : schema.returns()) any = any && result.type()->hasFreeVariables();
  return any;
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

Recorder::Recorder(const PreparedGraph& prepared, std::optional<Shapes> shapes, std::function<void()> check,
                   Watch watch)
    : prepared_(prepared), shapes_(shapes), check_(std::move(check)), watch_(std::move(watch)) {
  record_.facts = prepared.facts;
}

Record Recorder::Run(const torch::jit::Module& module, const std::vector<Owned>& owners, std::vector<IValue> inputs) {
  module_ = module;
  for (const Owned& owned : owners) {
    const ValueId id = values_.AddOwned(owned.tensors[0], owned.role, owned.names);
    for (const at::Tensor& tensor : owned.tensors) values_.Tie(tensor, id);
  }
  Env env;
  env.reserve(2 * prepared_.nodes.size());
  Graph& graph = *prepared_.graph;
  env[graph.inputs()[0]] = Slot{module._ivalue(), IValue()};
  for (size_t i = 0; i < inputs.size(); ++i) {
    Slot slot{inputs[i], IValue()};
    record_.inputs.push_back(values_.Fresh(slot, false, "input"));
    env[graph.inputs()[i + 1]] = std::move(slot);
  }
  c10::AutoGradMode keep(c10::GradMode::is_enabled());
  try {
    RunBlock(graph.block(), env);
  } catch (const Stopped& stopped) {
    std::rethrow_exception(stopped.why);
  }
  record_.output = values_.Of(At(env, graph.outputs()[0]));
  return std::move(record_);
}

Slot& Recorder::At(Env& env, const Value* value) {
  const auto found = env.find(value);
  TORCH_CHECK(found != env.end(), "the graph uses %", value->debugName(), " before it is computed");
  return found->second;
}

void Recorder::RunBlock(const Block* block, Env& env) {
  for (const Node* node : block->nodes()) Step(const_cast<Node*>(node), env);
}

void Recorder::Step(Node* node, Env& env) {
  if (++steps_ > kMaxSteps)
    throw Error("ERR_UNSUPPORTED", "The model runs more than 20 million steps: an endless loop?");
  if (speculation_ != nullptr && ++speculative_steps_ > kMaxSpeculativeSteps) throw SpeculationTooLong();
  if (steps_ % 64 == 0) Ask(check_);
  try {
    Dispatch(node, env);
  } catch (const RunFailure&) {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const SpeculationTooLong&) {
    throw;
  } catch (const std::exception& error) {
    RunFailure failure;
    failure.node = node;
    const auto* c10_error = dynamic_cast<const c10::Error*>(&error);
    failure.detail = c10_error != nullptr ? c10_error->what() : error.what();
    failure.message = FirstLine(c10_error != nullptr ? c10_error->what_without_backtrace() : error.what());
    if (IsOutOfMemory(failure.message)) throw Error("ERR_TORCH", failure.message, failure.detail);
    throw failure;
  }
}

void Recorder::Dispatch(Node* node, Env& env) {
  const auto kind = node->kind();
  if (kind == prim::Constant) return Constant(node, env);
  if (kind == prim::GetAttr) return GetAttr(node, env);
  if (kind == prim::SetAttr) return SetAttr(node, env);
  if (kind == prim::If) return If(node, env);
  if (kind == prim::Loop) return Loop(node, env);
  if (kind == prim::Uninitialized) {
    env[node->output()] = Slot{};
    return;
  }
  if (kind == prim::RaiseException) {
    RunFailure failure;
    failure.node = node;
    failure.raised = true;
    const IValue& message = At(env, node->input(0)).value;
    failure.message = message.isString() ? FirstLine(message.toStringRef()) : "";
    failure.detail = message.isString() ? message.toStringRef() : "";
    throw failure;
  }
  // Recording is no run of the user's: nothing is printed.
  if (kind == prim::Print || kind == c10::aten::warn) return;
  if (StructureKinds().contains(kind.toQualString())) return Structure(node, env);
  const auto* schema = node->maybeSchema();
  if (schema != nullptr && MovesElements(*schema)) return Elements(node, env);
  Operator(node, env);
}

void Recorder::Constant(Node* node, Env& env) {
  auto found = constants_.find(node);
  if (found == constants_.end()) {
    // A function that was called, and is no value, has been inlined.
    Slot slot{torch::jit::toIValue(node->output()).value_or(IValue()), IValue()};
    if (slot.value.isTensor() && slot.value.toTensor().defined()) {
      // A copy: a program may write to it, and the graph keeps it.
      const at::Tensor plain = slot.value.toTensor().detach();
      const at::Tensor shape = shapes_ ? Shapes::Of(plain) : plain;
      const at::Tensor copy = shape.is_meta() ? shape : plain.clone();
      slot.value = copy;
      values_.AddOwned(copy, "constant", {});
    }
    found = constants_.emplace(node, std::move(slot)).first;
    values_.Of(found->second);
  }
  env[node->output()] = found->second;
}

void Recorder::GetAttr(Node* node, Env& env) {
  const auto object = At(env, node->input()).value.toObject();
  const size_t place = object->type()->getAttributeSlot(node->s(attr::name));
  const IValue value = object->getSlot(place);
  if (value.isObject()) {
    env[node->output()] = Slot{value, IValue()};
    return;
  }
  env[node->output()] = Held({reinterpret_cast<int64_t>(object.get()), place}, value);
}

Slot Recorder::Held(const AttributeKey& key, const IValue& value) {
  if (speculation_ != nullptr && speculation_->written.contains(key)) return speculation_->written.at(key);
  auto [known, added] = attributes_.try_emplace(key, Slot{value, IValue()});
  if (!added && !known->second.value.is(value)) known->second = Slot{value, IValue()};
  const Arg read = values_.Of(known->second);
  // What the program never assigns is a constant by now.
  if (!read.list && record_.values[read.id].kind != ValueKind::kTensor) record_.values[read.id].role = "state";
  return speculation_ == nullptr ? known->second : values_.Copy(known->second, speculation_->copies);
}

void Recorder::SetAttr(Node* node, Env& env) {
  const auto object = At(env, node->input(0)).value.toObject();
  const size_t place = object->type()->getAttributeSlot(node->s(attr::name));
  Slot& slot = At(env, node->input(1));
  Op op{Id(node), {}, {}, speculation_ != nullptr};
  const AttributeKey key{reinterpret_cast<int64_t>(object.get()), place};
  Slot held = Held(key, object->getSlot(place));
  op.inputs = {values_.Of(At(env, node->input(0))), values_.Of(slot), values_.Of(held)};
  AddOp(std::move(op));
  if (speculation_ != nullptr) {
    speculation_->written.insert_or_assign(key, slot);
  } else {
    object->setSlot(place, slot.value);
    attributes_.insert_or_assign(key, slot);
  }
}

void Recorder::If(Node* node, Env& env) {
  const bool condition = At(env, node->input()).value.toBool();
  const Block* taken = node->blocks()[condition ? 0 : 1];
  const Block* other = node->blocks()[condition ? 1 : 0];
  SkippedBlock entry;
  entry.node = Id(node);
  entry.condition = values_.Of(At(env, node->input())).id;
  entry.reads = Reads(other, env);
  const bool raises = OnlyRaises(other);
  entry.outcome = raises ? "raises" : "failed";
  auto snapshot = raises ? nullptr : Capture(other, env);
  std::vector<Written> written = Outer(taken, env);
  for (Written& each : Outer(other, env)) written.push_back(std::move(each));
  RunBlock(taken, env);
  // Numbers, and what may be missing, are values of their own outside: the program may use the same constant elsewhere.
  Op op{Id(node), {Arg::Of(entry.condition)}, {}, speculation_ != nullptr};
  for (size_t i = 0; i < node->outputs().size(); ++i) {
    Slot result = At(env, taken->outputs()[i]);
    const IValue& value = result.value;
    if (value.isInt() || value.isDouble() || value.isBool() || value.isNone()) Renew(result, op);
    entry.taken.push_back(values_.Of(result));
    env[node->output(i)] = std::move(result);
  }
  if (!op.outputs.empty()) AddOp(std::move(op));
  Skip(node, other, std::move(entry), std::move(snapshot), std::move(written));
}

void Recorder::Loop(Node* node, Env& env) {
  const Block* body = node->blocks()[0];
  const int64_t rounds = At(env, node->input(0)).value.toInt();
  bool going = At(env, node->input(1)).value.toBool();
  const size_t carried = node->outputs().size();
  const auto enter = [&](Env& inner, int64_t round) { inner[body->inputs()[0]] = Slot{round, IValue()}; };
  for (size_t i = 0; i < carried; ++i) {
    const Slot start = At(env, node->input(i + 2));
    env[body->inputs()[i + 1]] = start;
  }
  if (rounds <= 0 || !going) {
    SkippedBlock entry;
    entry.node = Id(node);
    entry.loop = true;
    entry.condition = values_.Of(At(env, node->input(0))).id;
    entry.reads = Reads(body, env);
    const bool raises = OnlyRaises(body);
    if (raises) entry.outcome = "raises";
    auto snapshot = raises ? nullptr : Capture(body, env);
    for (size_t i = 0; i < carried; ++i) {
      Slot& start = At(env, body->inputs()[i + 1]);
      entry.taken.push_back(values_.Of(start));
      if (snapshot) snapshot->env[body->inputs()[i + 1]] = values_.Copy(start, snapshot->speculation.copies);
    }
    if (snapshot) enter(snapshot->env, 0);
    Skip(node, body, std::move(entry), std::move(snapshot), Outer(body, env));
  }
  const Arg trip = values_.Of(At(env, node->input(0)));
  Arg condition = values_.Of(At(env, node->input(1)));
  std::vector<Written> written = Outer(body, env);
  // Numbers that it carries, or writes to a list, are others after another number of rounds.
  const auto carry = [&](std::vector<Slot> slots, Slot* index) {
    Op op{Id(node), {trip, condition}, {}, speculation_ != nullptr};
    if (index != nullptr) op.outputs.push_back(values_.Fresh(*index, false));
    for (Slot& slot : slots) {
      if (slot.value.isInt() || slot.value.isDouble() || slot.value.isBool()) Renew(slot, op);
    }
    for (Written& each : written) {
      const Arg now = values_.Of(each.slot);
      if (now == each.content) continue;
      Renew(each.slot, op);
      each.content = values_.Of(each.slot);
    }
    if (!op.outputs.empty()) AddOp(std::move(op));
    return slots;
  };
  std::vector<Slot> held;
  for (size_t i = 0; i < carried; ++i) held.push_back(At(env, body->inputs()[i + 1]));
  for (int64_t round = 0; round < rounds && going; ++round) {
    Slot index{round, IValue()};
    held = carry(std::move(held), &index);
    env[body->inputs()[0]] = index;
    for (size_t i = 0; i < carried; ++i) env[body->inputs()[i + 1]] = held[i];
    RunBlock(body, env);
    Slot& next = At(env, body->outputs()[0]);
    condition = values_.Of(next);
    going = next.value.toBool();
    held.clear();
    for (size_t i = 0; i < carried; ++i) held.push_back(At(env, body->outputs()[i + 1]));
  }
  held = carry(std::move(held), nullptr);
  for (size_t i = 0; i < carried; ++i) env[node->output(i)] = std::move(held[i]);
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

void Recorder::Operator(Node* node, Env& env) {
  const bool mutates = Facts(node).mutates;
  Op op{Id(node), {}, {}, speculation_ != nullptr};
  std::vector<IValue> stack;
  for (const Value* input : node->inputs()) {
    Slot& slot = At(env, input);
    op.inputs.push_back(values_.Of(slot));
    stack.push_back(slot.value);
  }
  if (watch_.before && speculation_ == nullptr) watch_.before(op.node, stack);
  if (shapes_) shapes_->Enter(node->maybeSchema(), stack);
  std::vector<IValue> results = Execute(node, stack);
  if (shapes_) shapes_->Leave(results);
  if (watch_.after && speculation_ == nullptr) watch_.after(record_.ops.size(), results);
  for (size_t i = 0; i < results.size(); ++i) {
    Slot slot{std::move(results[i]), IValue()};
    op.outputs.push_back(values_.Fresh(slot, mutates));
    env[node->output(i)] = std::move(slot);
  }
  if (mutates) {
    const auto* schema = node->maybeSchema();
    for (size_t i = 0; i < stack.size(); ++i) {
      const auto* alias =
          schema != nullptr && i < schema->arguments().size() ? schema->arguments()[i].alias_info() : nullptr;
      if (alias != nullptr && alias->isWrite() && (stack[i].isList() || stack[i].isGenericDict())) {
        values_.Forget(stack[i]);
      }
    }
  }
  AddOp(std::move(op));
}

std::vector<IValue> Recorder::Execute(Node* node, std::vector<IValue> stack) {
  const auto* op = node->maybeOperator();
  if (op != nullptr) {
    auto found = operations_.find(node);
    if (found == operations_.end()) found = operations_.emplace(node, node->getOperation()).first;
    RefuseRepetition(op->schema(), stack);
    if (op->schema().is_vararg()) stack.emplace_back(static_cast<int64_t>(node->inputs().size()));
    found->second(stack);
  } else {
    // What the interpreter has an instruction for but no operator: a graph of this one node.
    auto found = codes_.find(node);
    if (found == codes_.end()) {
      auto graph = std::make_shared<Graph>();
      std::unordered_map<Value*, Value*> map;
      std::vector<Value*> inputs;
      for (Value* input : node->inputs()) {
        Value* value = graph->addInput();
        value->setType(input->type());
        inputs.push_back(value);
        map[input] = value;
      }
      Node* copy = graph->createClone(node, [&](Value* value) { return map.at(value); });
      for (size_t i = 0; i < inputs.size(); ++i) copy->replaceInput(i, inputs[i]);
      graph->appendNode(copy);
      for (Value* output : copy->outputs()) graph->registerOutput(output);
      found = codes_.emplace(node, torch::jit::Code(graph, "")).first;
    }
    torch::jit::InterpreterState(found->second).run(stack);
  }
  TORCH_CHECK(stack.size() == node->outputs().size(), node->kind().toQualString(), " gave ", stack.size(),
              " values instead of ", node->outputs().size());
  RefuseHuge(stack);
  return stack;
}

const NodeFacts& Recorder::Facts(const Node* node) const { return (*prepared_.facts)[Id(node)]; }

int32_t Recorder::Id(const Node* node) const { return prepared_.ids.at(node); }

void Recorder::AddOp(Op op) {
  record_.ops.push_back(std::move(op));
  if (record_.ops.size() > kMaxOps || record_.values.size() > kMaxValues) {
    throw Error("ERR_UNSUPPORTED", "The model runs more than 300,000 operators");
  }
}

namespace {

void CollectCaptures(const Block* block, std::set<const Value*>& inside, std::vector<const Value*>& outside) {
  const auto use = [&](const Value* value) {
    if (inside.insert(value).second) outside.push_back(value);
  };
  for (const Value* input : block->inputs()) inside.insert(input);
  for (const Node* node : block->nodes()) {
    for (const Value* input : node->inputs()) use(input);
    for (const Value* output : node->outputs()) inside.insert(output);
    for (const Block* inner : node->blocks()) CollectCaptures(inner, inside, outside);
  }
  for (const Value* output : block->outputs()) use(output);
}

void CollectTensors(const Arg& arg, const Record& record, std::vector<ValueId>& ids) {
  for (const Arg& item : arg.items) CollectTensors(item, record, ids);
  if (arg.list || record.values[arg.id].kind != ValueKind::kTensor) return;
  if (std::find(ids.begin(), ids.end(), arg.id) == ids.end()) ids.push_back(arg.id);
}

bool IsContainer(const IValue& value) { return value.isList() || value.isGenericDict(); }

// It appends to a list, or sets an element of a list or a dict.
bool WritesContainers(const Block* block) {
  for (const Node* node : block->nodes()) {
    const auto* schema = node->maybeSchema();
    for (const Block* inner : node->blocks()) {
      if (WritesContainers(inner)) return true;
    }
    if (schema == nullptr) continue;
    for (const auto& argument : schema->arguments()) {
      const auto kind = argument.type()->kind();
      const bool container = kind == c10::TypeKind::ListType || kind == c10::TypeKind::DictType;
      if (container && argument.alias_info() != nullptr && argument.alias_info()->isWrite()) return true;
    }
  }
  return false;
}

bool HasEffects(const Block* block) {
  for (const Node* node : block->nodes()) {
    const auto* schema = node->maybeSchema();
    if (node->kind() == prim::SetAttr || (schema != nullptr && schema->is_mutable())) return true;
    for (const Block* inner : node->blocks()) {
      if (HasEffects(inner)) return true;
    }
  }
  return false;
}

void CollectAttributes(const Block* block, std::vector<const Node*>& nodes) {
  for (const Node* node : block->nodes()) {
    if (node->kind() == prim::GetAttr) nodes.push_back(node);
    for (const Block* inner : node->blocks()) CollectAttributes(inner, nodes);
  }
}

}  // namespace

const std::vector<const Value*>& Recorder::Captures(const Block* block) {
  auto [known, added] = captures_.try_emplace(block);
  if (added) {
    std::set<const Value*> inside;
    CollectCaptures(block, inside, known->second);
  }
  return known->second;
}

std::vector<Recorder::Written> Recorder::Outer(const Block* block, Env& env) {
  std::vector<Written> outer;
  const auto writes = writes_.try_emplace(block, false);
  if (writes.second) writes.first->second = WritesContainers(block);
  if (!writes.first->second) return outer;
  for (const Value* value : Captures(block)) {
    Slot& slot = At(env, value);
    if (IsContainer(slot.value)) outer.push_back({value, slot, values_.Of(slot)});
  }
  return outer;
}

void Recorder::Renew(Slot& slot, Op& op) {
  const Arg from = values_.Of(slot);
  values_.Forget(slot.value);
  slot.shadow = IValue();
  if (!IsContainer(slot.value)) {
    op.inputs.push_back(from);
    op.outputs.push_back(values_.Fresh(slot, false));
    return;
  }
  const std::function<void(const Arg&, const Arg&)> pair = [&](const Arg& before, const Arg& after) {
    for (size_t i = 0; i < after.items.size(); ++i) pair(before.items[i], after.items[i]);
    if (after.list || record_.values[after.id].kind == ValueKind::kTensor) return;
    op.inputs.push_back(before);
    op.outputs.push_back(after);
  };
  pair(from, values_.Of(slot));
}

std::vector<ValueId> Recorder::Reads(const Block* block, Env& env) {
  std::vector<ValueId> ids;
  for (const Value* value : Captures(block)) {
    Slot& slot = At(env, value);
    if (!slot.value.isObject()) CollectTensors(values_.Of(slot), record_, ids);
  }
  std::vector<const Node*> attributes;
  CollectAttributes(block, attributes);
  for (const Node* node : attributes) {
    const auto value = AttributeOf(module_, node->output());
    if (!value || value->isObject()) continue;
    Slot slot{*value, IValue()};
    CollectTensors(values_.Of(slot), record_, ids);
  }
  return ids;
}

std::unique_ptr<Recorder::Snapshot> Recorder::Capture(const Block* block, Env& env) {
  auto snapshot = std::make_unique<Snapshot>();
  for (const Value* value : captures_.at(block)) {
    Slot& slot = At(env, value);
    snapshot->env[value] = slot.value.isObject() ? slot : values_.Copy(slot, snapshot->speculation.copies);
  }
  if (speculation_ != nullptr) {
    for (auto& [key, slot] : speculation_->written) {
      snapshot->speculation.written[key] = values_.Copy(slot, snapshot->speculation.copies);
    }
  }
  return snapshot;
}

void Recorder::Skip(Node* node, const Block* block, SkippedBlock entry, std::unique_ptr<Snapshot> snapshot,
                    std::vector<Written> written) {
  if (snapshot != nullptr) {
    Speculation* const outer = std::exchange(speculation_, &snapshot->speculation);
    if (outer == nullptr) speculative_steps_ = 0;
    const size_t ops = record_.ops.size(), skipped = record_.skipped.size();
    const auto undo = [&] {
      record_.ops.resize(ops);
      record_.skipped.resize(skipped);
    };
    c10::AutoGradMode keep(c10::GradMode::is_enabled());
    try {
      RunBlock(block, snapshot->env);
      entry.skipped.emplace();
      const size_t first = entry.loop ? 1 : 0;  // a body's first output is whether it goes on
      for (size_t i = first; i < block->outputs().size(); ++i) {
        entry.skipped->push_back(values_.Of(At(snapshot->env, block->outputs()[i])));
      }
      entry.outcome = "executed";
    } catch (const RunFailure& failure) {
      if (shapes_ && !failure.raised) throw;  // it may well run for real
      undo();
      // A check of the program: it refuses this input, and nothing flows out of it.
      if (failure.raised && block->outputs().empty() && !HasEffects(block)) entry.outcome = "raises";
    } catch (const SpeculationTooLong&) {
      undo();
    } catch (...) {
      speculation_ = outer;
      throw;
    }
    speculation_ = outer;
  }
  // What one side has written to a list from outside flows out of the branch, too.
  if (std::string(entry.outcome) != "raises") {
    Op op{Id(node), {Arg::Of(entry.condition)}, {}, speculation_ != nullptr};
    for (Written& each : written) {
      if (entry.skipped) {
        const bool copied = snapshot->env.contains(each.value);
        const Arg other = copied ? values_.Of(At(snapshot->env, each.value)) : each.content;
        if (values_.Of(each.slot) == other) continue;
        entry.skipped->push_back(other);
      }
      Renew(each.slot, op);
      entry.taken.push_back(values_.Of(each.slot));
    }
    if (!op.outputs.empty()) AddOp(std::move(op));
  }
  record_.skipped.push_back(std::move(entry));
}

}  // namespace espalier::script
