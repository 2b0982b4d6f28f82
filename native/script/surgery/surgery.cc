#include "script/surgery/surgery.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "script/edits/graph_edits.h"
#include "script/error.h"
#include "script/graph/inline.h"
#include "script/graph/scope.h"
#include "script/graph/walk.h"
#include "script/methods/install.h"
#include "script/methods/methods.h"
#include "script/methods/unreached.h"
#include "script/module/interfaces.h"
#include "script/module/lookup.h"
#include "script/module/tensors.h"
#include "script/quiet.h"
#include "script/record/attempt.h"
#include "script/record/recorder.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;
namespace attr = c10::attr;
namespace prim = c10::prim;

namespace {

// More assertions than this never stand in the way of one cut.
constexpr int kMaxStaleAssertions = 10'000;

using Keep = std::map<int64_t, const std::vector<int64_t>*>;  // by dimension

at::Tensor Sliced(const at::Tensor& tensor, const Keep& keep, const std::string& name) {
  at::Tensor result = tensor.detach();
  for (const auto& [dim, indices] : keep) {
    if (dim < 0 || dim >= tensor.dim()) {
      throw Error("ERR_INVALID_ARGUMENT", name + " has no dimension " + std::to_string(dim));
    }
    for (const int64_t index : *indices) {
      if (index < 0 || index >= tensor.size(dim)) {
        throw Error("ERR_INVALID_ARGUMENT",
                    name + " has no index " + std::to_string(index) + " in dimension " + std::to_string(dim));
      }
    }
    result = result.index_select(dim, at::tensor(*indices, at::kLong).to(tensor.device()));
  }
  result = result.contiguous(tensor.suggest_memory_format());
  return result.set_requires_grad(tensor.requires_grad());
}

// What `holder` is with the tensor put in the place that `name` says from `begin` on: itself, changed, or a new tuple.
IValue With(IValue holder, const std::string& name, size_t begin, const at::Tensor& tensor) {
  if (begin > name.size()) return tensor;
  const size_t dot = std::min(name.find('.', begin), name.size());
  const std::string key = name.substr(begin, dot - begin);
  const auto inner = [&](const IValue& value) { return With(value, name, dot + 1, tensor); };
  if (holder.isObject()) {
    const auto object = holder.toObject();
    object->setAttr(key, inner(object->getAttr(key)));
    return holder;
  }
  // Elements are named by their position.
  const size_t index = std::stoul(key);
  if (holder.isList()) {
    auto list = holder.toList();
    list.set(index, inner(list.get(index)));
  } else if (holder.isGenericDict()) {
    auto dict = holder.toGenericDict();
    auto entry = dict.begin();
    for (size_t i = 0; i < index; ++i) ++entry;
    dict.insert_or_assign(entry->key(), inner(entry->value()));
  } else {
    std::vector<IValue> items = holder.toTupleRef().elements().vec();
    items.at(index) = inner(items.at(index));
    const auto type = holder.type()->expect<c10::TupleType>();
    if (type->schema()) return c10::ivalue::Tuple::createNamed(std::move(items), type);
    return c10::ivalue::Tuple::create(std::move(items));
  }
  return holder;
}

// Cuts the tensors of `copy`, tied ones once: all their names get the very same new tensor.
CutTensors SliceTensors(const Module& module, Module& copy, const std::vector<CutRequest::Slice>& slices) {
  std::map<std::string, Keep> wanted;
  for (const auto& slice : slices) wanted[slice.name][slice.dim] = &slice.keep;
  const std::vector<OwnedTensor> originals = OwnedTensors(module);
  const std::vector<OwnedTensor> copies = OwnedTensors(copy);
  std::map<TensorKey, const Keep*> cuts;
  std::set<std::string> found;
  for (const OwnedTensor& original : originals) {
    const auto it = wanted.find(original.name);
    if (it == wanted.end()) continue;
    cuts.emplace(KeyOf(original.tensor), &it->second);
    found.insert(original.name);
  }
  for (const auto& [name, keep] : wanted) {
    if (!found.contains(name)) throw Error("ERR_INVALID_ARGUMENT", "The module has no parameter or buffer " + name);
  }
  std::map<TensorKey, at::Tensor> made;
  CutTensors all;
  for (size_t i = 0; i < originals.size(); ++i) {
    const TensorKey key = KeyOf(originals[i].tensor);
    const auto cut = cuts.find(key);
    if (cut == cuts.end()) continue;
    for (const auto& [dim, indices] : *cut->second) all[originals[i].name][dim] = *indices;
    auto [it, fresh] = made.try_emplace(key);
    if (fresh) it->second = Sliced(copies[i].tensor, *cut->second, originals[i].name);
    With(copy._ivalue(), originals[i].name, 0, it->second);
  }
  return all;
}

// The graph was recorded on another module: its module values get the types of this one.
void Retype(Graph& graph, const Module& module) {
  graph.inputs()[0]->setType(module.type());
  ForEachNode(graph.block(), [](Node* node) {
    if (node->kind() != prim::GetAttr) return;
    const auto owner = node->input(0)->type()->cast<c10::ClassType>();
    if (owner) node->output()->setType(owner->getAttribute(node->s(attr::name)));
  });
}

// The `if` around a node that leads to an exception in one of its blocks only; null when there is none.
Node* AssertionOf(Node* raise) {
  for (Block* block = raise->owningBlock(); block->owningNode() != nullptr;
       block = block->owningNode()->owningBlock()) {
    Node* owner = block->owningNode();
    if (owner->kind() != prim::If) continue;
    Block* other = owner->blocks()[owner->blocks()[0] == block ? 1 : 0];
    if (OnlyRaises(block) && !OnlyRaises(other)) return owner;
  }
  return nullptr;
}

// Checks of the program that were about the old widths now fail. Those that do, and no others, are removed.
std::vector<StaleAssertion> RemoveStaleAssertions(const Module& module, std::shared_ptr<Graph> graph,
                                                  const std::vector<IValue>& inputs, bool grad,
                                                  const std::function<void()>& check) {
  std::vector<StaleAssertion> removed;
  for (int i = 0; i < kMaxStaleAssertions; ++i) {
    const PreparedGraph prepared = Numbered(graph);
    try {
      TryRun(module, prepared, inputs, grad, check);
      return removed;
    } catch (const RunFailure& failure) {
      Node* assertion = failure.raised && failure.node ? AssertionOf(const_cast<Node*>(failure.node)) : nullptr;
      if (assertion == nullptr) {
        throw Error("ERR_UNSUPPORTED",
                    "The cut model does not run: " + failure.message +
                        (failure.node ? " (" + std::string(failure.node->kind().toQualString()) + " in '" +
                                            ScopeOf(failure.node) + "')"
                                      : ""),
                    failure.detail);
      }
      {
        // Gone before the node may be: the guard goes back to where it was.
        torch::jit::WithInsertPoint guard(assertion);
        const bool condition = !OnlyRaises(assertion->blocks()[0]);
        assertion->replaceInput(0, graph->insertConstant(condition));
        removed.push_back({TrailOf(assertion), condition});
      }
      torch::jit::ConstantPropagationImmutableTypes(graph);
    }
  }
  throw Error("ERR_UNSUPPORTED", "The cut model fails too many checks of its program");
}

// The inputs of the recording, in the precision of the module: a cut is also tried in float64.
std::vector<IValue> InputsFor(const Module& module, const std::vector<IValue>& inputs) {
  bool precise = false;
  for (const at::Tensor& parameter : module.parameters()) precise = precise || parameter.scalar_type() == at::kDouble;
  if (!precise) return inputs;
  return MapTensors(
      inputs, [](const at::Tensor& tensor) { return tensor.is_floating_point() ? tensor.to(at::kDouble) : tensor; });
}

std::string NameOf(const MethodFate& fate) { return JoinPath(fate.path, fate.name); }

// Throws where a method would be wrong that nobody lets go.
void SortMethods(const std::vector<MethodFate>& fates, const CutRequest::Interface& wanted, CutResult& result) {
  for (const std::string& name : wanted.drop_methods) {
    const auto is = [&name](const MethodFate& fate) { return NameOf(fate) == name; };
    if (std::none_of(fates.begin(), fates.end(), is)) {
      throw Error("ERR_INVALID_ARGUMENT", "dropMethods: the module has no method '" + name + "'");
    }
  }
  for (const MethodFate& fate : fates) {
    const std::string name = NameOf(fate);
    if (!fate.told) continue;
    for (const ClosedBranch& each : fate.closed) result.closed.push_back({name, each.reason, each.whole});
    if (fate.kind == MethodFate::Kind::kKept) result.kept_methods.push_back(name);
    if (fate.kind == MethodFate::Kind::kCut) result.cut_methods.push_back(name);
    if (fate.kind != MethodFate::Kind::kDropped) continue;
    const std::string obstacle = "The method `" + name + "` can't be cut along with `forward`: " + fate.obstacle;
    if (fate.given) throw Error("ERR_UNSUPPORTED", obstacle);
    if (!fate.internal && !wanted.drop_any_method && !wanted.drop_methods.contains(name)) {
      throw Error("ERR_UNSUPPORTED", obstacle + ". Give methods: { '" + name +
                                         "': [its example inputs] } to have it recorded, or dropMethods: ['" + name +
                                         "'] to go without it");
    }
    result.dropped_methods.push_back(name);
  }
}

}  // namespace

Module CopyModule(const Module& module) {
  const Quiet quiet;  // it may run a module's own __getstate__ and __setstate__
  std::stringstream stream;
  torch::jit::ExportModule(module, [&stream](const void* data, size_t size) {
    stream.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
    return size;
  });
  return torch::jit::load(stream);
}

CutResult Cut(const Module& module, const Recording& recording, const CutRequest& request,
              const std::function<void()>& check) {
  c10::AutoGradMode no_grad(false);
  Module copy = CopyModule(module);
  MakeConcrete(copy);
  const CutTensors cut = SliceTensors(module, copy, request.slices);
  auto graph = recording.prepared->graph->copy();
  EditGraph(*graph, recording, request);
  Retype(*graph, copy);
  torch::jit::ConstantPropagationImmutableTypes(graph);
  torch::jit::EliminateDeadCode(graph);
  const auto stale = RemoveStaleAssertions(copy, graph, InputsFor(copy, recording.inputs), recording.grad, check);
  CutResult result{copy, {}, {}, {}, {}, {}};
  KeepForward(*graph, recording.entry, recording.trails);
  const auto fates = FateOfMethods(module, recording, request, cut, stale);
  SortMethods(fates, request.interface, result);
  std::vector<NewMethod> methods = {{"", "forward", graph}};
  for (const MethodFate& fate : fates) {
    if (fate.kind != MethodFate::Kind::kDropped) methods.push_back({fate.path, fate.name, fate.edited});
  }
  for (NewMethod& method : methods) {
    if (method.graph == nullptr) continue;
    Retype(*method.graph, ModuleAt(copy, method.path));
    torch::jit::ConstantPropagationImmutableTypes(method.graph);
    torch::jit::EliminateDeadCode(method.graph);
    method.graph->lint();
    KeepScopesInSource(*method.graph, method.path.empty() && method.name == "forward");
  }
  InstallMethods(copy, methods);
  auto forward = recording.prepared->graph->copy();
  KeepForward(*forward, recording.entry, recording.trails);
  result.unreached = Unreached(module, Reads(*forward, ""), fates);
  if (request.interface.drop_unreached) DropUnreached(copy, result.unreached);
  return result;
}

}  // namespace espalier::script
