#include "script/methods/unreached.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "script/graph/scope.h"
#include "script/methods/install.h"
#include "script/module/tensors.h"

namespace espalier::script {

using torch::jit::Module;

namespace {

// ("layer1", "weight") of "layer1.weight".
std::pair<std::string, std::string> Split(const std::string& name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return {"", name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

bool IsWithin(const std::string& name, const std::string& path) {
  return name == path || name.rfind(path + ".", 0) == 0;
}

// The tensors that are read: themselves, in a list that is, or under another name.
std::set<TensorKey> Reached(const std::vector<OwnedTensor>& tensors, const std::vector<std::string>& reads) {
  const std::set<std::string> names(reads.begin(), reads.end());
  std::set<TensorKey> keys;
  for (const OwnedTensor& owned : tensors) {
    bool read = names.contains(owned.name);
    if (owned.kind == OwnedTensor::Kind::kAttribute) {
      read =
          std::any_of(names.begin(), names.end(), [&](const std::string& name) { return IsWithin(owned.name, name); });
    }
    if (read) keys.insert(KeyOf(owned.tensor));
  }
  return keys;
}

bool HasMethods(const Module& module) {
  for (const Module& each : module.modules()) {
    if (!each.type()->methods().empty()) return true;
  }
  return false;
}

void Paths(const Module& module, const std::string& path, std::vector<std::pair<std::string, Module>>& all) {
  all.emplace_back(path, module);
  for (const auto& child : module.named_children()) Paths(child.value, JoinPath(path, child.name), all);
}

}  // namespace

std::vector<UnreachedTensor> Unreached(const Module& module, const std::vector<std::string>& reads,
                                       const std::vector<MethodFate>& methods) {
  const std::vector<OwnedTensor> tensors = OwnedTensors(module);
  const std::set<TensorKey> reached = Reached(tensors, reads);
  std::set<std::string> used;  // modules some tensor of which is reached
  for (const OwnedTensor& owned : tensors) {
    if (reached.contains(KeyOf(owned.tensor))) used.insert(Split(owned.name).first);
  }
  std::vector<std::pair<std::string, std::set<TensorKey>>> users;
  for (const MethodFate& method : methods) {
    if (method.kind == MethodFate::Kind::kDropped) continue;
    users.emplace_back(JoinPath(method.path, method.name), Reached(tensors, method.reads));
  }
  std::vector<UnreachedTensor> unreached;
  for (const OwnedTensor& owned : tensors) {
    const TensorKey key = KeyOf(owned.tensor);
    if (owned.kind == OwnedTensor::Kind::kAttribute || reached.contains(key)) continue;
    // (A norm that is evaluated never reads how many batches it has seen.)
    if (owned.kind == OwnedTensor::Kind::kBuffer && used.contains(Split(owned.name).first)) continue;
    UnreachedTensor found{owned.name, {}, false};
    for (const auto& [name, keys] : users) {
      if (keys.contains(key)) found.used_by.push_back(name);
    }
    unreached.push_back(std::move(found));
  }
  return unreached;
}

void DropUnreached(Module& module, std::vector<UnreachedTensor>& unreached) {
  std::set<std::string> gone;
  for (const auto& each : unreached) {
    if (each.used_by.empty()) gone.insert(each.name);
  }
  std::vector<std::pair<std::string, Module>> modules;
  Paths(module, "", modules);
  const std::vector<OwnedTensor> tensors = OwnedTensors(module);
  std::set<TensorKey> keys;
  for (const OwnedTensor& owned : tensors) {
    if (gone.contains(owned.name)) keys.insert(KeyOf(owned.tensor));
  }
  const auto goes = [&](const std::string& name) {
    bool any = gone.contains(name);
    for (const OwnedTensor& owned : tensors) {
      if (!IsWithin(owned.name, name)) continue;
      if (!keys.contains(KeyOf(owned.tensor))) return false;
      any = true;
    }
    return any;
  };
  // An attribute is one of the class: it goes from all of its modules or from none.
  std::map<std::pair<c10::ClassTypePtr, std::string>, std::vector<Module>> candidates;
  std::set<std::pair<c10::ClassTypePtr, std::string>> stay;
  for (const auto& [path, owner] : modules) {
    for (size_t i = 0; i < owner.type()->numAttributes(); ++i) {
      const std::string& name = owner.type()->getAttributeName(i);
      const bool whole = !owner.attr(name).isModule() || !HasMethods(owner.attr(name).toModule());
      if (goes(JoinPath(path, name)) && whole) {
        candidates[{owner.type(), name}].push_back(owner);
      } else {
        stay.insert({owner.type(), name});
      }
    }
  }
  for (const auto& [attribute, owners] : candidates) {
    if (stay.contains(attribute)) continue;
    for (const Module& owner : owners) owner._ivalue()->unsafeRemoveAttr(attribute.second);
    attribute.first->unsafeRemoveAttribute(attribute.second);
  }
  std::set<std::string> left;
  for (const OwnedTensor& owned : OwnedTensors(module)) left.insert(owned.name);
  for (auto& each : unreached) each.dropped = !left.contains(each.name);
}

}  // namespace espalier::script
