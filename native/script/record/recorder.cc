#include "script/record/recorder.h"

#include <ATen/core/Dict.h>
#include <ATen/core/List.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "script/checks/bounds.h"
#include "script/checks/out_of_memory.h"
#include "script/error.h"
#include "script/graph/scope.h"

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
    // What a program writes to is no table that the analysis may count on.
    if (std::any_of(owned.names.begin(), owned.names.end(),
                    [this](const std::string& name) { return IsWritten(name); })) {
      record_.values[id].data.reset();
    }
    record_.values[id].replaced = std::any_of(owned.names.begin(), owned.names.end(), [this](const std::string& name) {
      return prepared_.replaced.Contains(name);
    });
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
  if (IsStructure(node)) return Structure(node, env);
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
  env[node->output()] = Held({reinterpret_cast<int64_t>(object.get()), place}, node->s(attr::name), value);
}

Slot Recorder::Held(const AttributeKey& key, const std::string& name, const IValue& value) {
  if (speculation_ != nullptr && speculation_->written.contains(key)) return speculation_->written.at(key);
  auto [known, added] = attributes_.try_emplace(key, Slot{value, IValue()});
  const bool fresh = added || !known->second.value.is(value);
  if (!added && fresh) known->second = Slot{value, IValue()};
  const Arg read = values_.Of(known->second);
  // A number that the program never sets is a constant by now. What a container holds that it wrote is known.
  const bool written = fresh && prepared_.written.contains(name);
  if (!read.list || written) MarkState(read);
  if (written) MarkKept(known->second.value);
  if (speculation_ == nullptr) return known->second;
  Slot copy = values_.Copy(known->second, speculation_->copies);
  if (prepared_.written.contains(name)) MarkKept(copy.value);
  return copy;
}

bool Recorder::IsWritten(const std::string& name) const {
  std::istringstream parts(name);
  for (std::string part; std::getline(parts, part, '.');) {
    if (prepared_.written.contains(part)) return true;
  }
  return false;
}

void Recorder::MarkState(const Arg& arg) {
  for (const Arg& item : arg.items) MarkState(item);
  if (!arg.list && record_.values[arg.id].kind != ValueKind::kTensor) record_.values[arg.id].role = "state";
}

void Recorder::MarkKept(const IValue& value) {
  if (value.isTuple()) {
    for (const IValue& item : value.toTupleRef().elements()) MarkKept(item);
  } else if (value.isList()) {
    kept_.insert(IdentityOf(value));
    if (value.isTensorList() || value.isIntList() || value.isDoubleList() || value.isBoolList()) return;
    for (const IValue& item : value.toListRef()) MarkKept(item);
  } else if (value.isGenericDict()) {
    kept_.insert(IdentityOf(value));
    for (const auto& entry : value.toGenericDict()) MarkKept(entry.value());
  }
}

void Recorder::SetAttr(Node* node, Env& env) {
  const auto object = At(env, node->input(0)).value.toObject();
  const size_t place = object->type()->getAttributeSlot(node->s(attr::name));
  Slot& slot = At(env, node->input(1));
  Op op{Id(node), {}, {}, speculation_ != nullptr};
  const AttributeKey key{reinterpret_cast<int64_t>(object.get()), place};
  Slot held = Held(key, node->s(attr::name), object->getSlot(place));
  op.inputs = {values_.Of(At(env, node->input(0))), values_.Of(slot), values_.Of(held)};
  AddOp(std::move(op));
  if (speculation_ != nullptr) {
    speculation_->written.insert_or_assign(key, slot);
  } else {
    object->setSlot(place, slot.value);
    attributes_.insert_or_assign(key, slot);
  }
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
  const bool counts = node->kind() == c10::aten::len && (stack[0].isList() || stack[0].isGenericDict());
  if (counts && kept_.contains(IdentityOf(stack[0]))) MarkState(op.outputs[0]);
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

}  // namespace espalier::script
