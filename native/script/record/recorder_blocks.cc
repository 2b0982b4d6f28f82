// Blocks of a program: branches, loops, and runs of the side that was not taken.

#include <ATen/core/Dict.h>
#include <ATen/core/List.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <set>

#include "script/graph/scope.h"
#include "script/record/recorder.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Block;
using torch::jit::Node;
using torch::jit::Value;
namespace prim = c10::prim;

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
