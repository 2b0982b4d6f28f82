#pragma once

#include <ATen/core/ivalue.h>

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "script/record/record.h"

namespace espalier::script {

// A value during a recorded run, and its shadow: the same structure of lists, tuples and dicts with an index into the
// table's leaves where the value has a tensor, number, string, …. A list's shadow is shared like the list itself, so an
// operator that only moves elements about (append, slice, +) is simply run on the shadows too, and the identity of
// every element survives.
struct Slot {
  c10::IValue value;
  c10::IValue shadow;  // None: not known yet
};

// Which ValueId every value has.
//
// A tensor is known by its TensorImpl. An operator that writes in place gives it a new id, which from then on is the
// tensor's wherever it is held; one that merely returns its input gives the new id to its output only.
class ValueTable {
 public:
  explicit ValueTable(Record& record) : record_(record) {}

  // Gives the tensor an id with a role. Tensors that are one (tied) share the id.
  ValueId AddOwned(const at::Tensor& tensor, const char* role, std::vector<std::string> names);
  void Tie(const at::Tensor& tensor, ValueId id);

  // Ids for all leaves of a value that an operator has made (or an example input with its role), and its shadow.
  Arg Fresh(Slot& slot, bool mutated, const char* role = nullptr);

  // The ids of an operand; its shadow is made when it had none.
  Arg Of(Slot& slot);

  // The shadow of a value that comes from elsewhere (an attribute, a constant).
  c10::IValue ShadowOf(const c10::IValue& value);
  // A container was changed by an operator that isn't understood: its elements are unknown.
  void Forget(const c10::IValue& container);
  // An operator that only moves elements made this container out of others.
  void Know(const Slot& slot);

  // Copies of tensors and containers for a run whose writes must not be seen; they keep their ids.
  struct Copies {
    std::unordered_map<c10::TensorImpl*, at::Tensor> tensors;
    std::map<int64_t, Slot> containers;
  };
  Slot Copy(Slot& slot, Copies& copies);

 private:
  struct Leaf {
    ValueId id;
    uint64_t made;
  };
  struct Known {
    at::Tensor tensor;  // keeps it alive: an address must not be used twice
    ValueId latest;
    uint64_t mutated;
  };

  ValueId Add(RecordValue value);
  ValueId AddTensor(const at::Tensor& tensor, const char* role);
  ValueId AddScalar(const c10::IValue& value);
  c10::IValue NewLeaf(ValueId id);
  ValueId Resolve(const c10::IValue& value, Leaf* leaf);
  Arg Walk(const c10::IValue& value, const c10::IValue& shadow);
  c10::IValue Remember(const c10::IValue& container, c10::IValue shadow);

  Record& record_;
  std::vector<Leaf> leaves_;
  std::unordered_map<c10::TensorImpl*, Known> tensors_;
  std::map<int64_t, Slot> containers_;  // by identity; keeps them alive
  uint64_t clock_ = 0;
};

// A number that is the identity of a list, dict or object.
int64_t IdentityOf(const c10::IValue& value);

}  // namespace espalier::script
