#include "script/record/values.h"

#include <ATen/Functions.h>
#include <ATen/core/Dict.h>
#include <ATen/core/List.h>
#include <ATen/core/jit_type.h>
#include <c10/core/GradMode.h>

#include <functional>

namespace espalier::script {

using c10::IValue;

namespace {

constexpr int64_t kMaxData = 1'000'000;

const char* DTypeName(c10::ScalarType type) {
  switch (type) {
    case c10::kFloat:
      return "float32";
    case c10::kDouble:
      return "float64";
    case c10::kHalf:
      return "float16";
    case c10::kBFloat16:
      return "bfloat16";
    case c10::kLong:
      return "int64";
    case c10::kInt:
      return "int32";
    case c10::kShort:
      return "int16";
    case c10::kChar:
      return "int8";
    case c10::kByte:
      return "uint8";
    case c10::kBool:
      return "bool";
    default:
      return "other";
  }
}

bool IsContainer(const IValue& value) { return value.isList() || value.isTuple() || value.isGenericDict(); }

c10::impl::GenericList NewShadowList() { return c10::impl::GenericList(c10::AnyType::get()); }

IValue ShadowAt(const IValue& shadow, size_t i, size_t size) {
  if (shadow.isList() && shadow.toListRef().size() == size) return shadow.toListRef()[i];
  if (shadow.isTuple() && shadow.toTupleRef().elements().size() == size) return shadow.toTupleRef().elements()[i];
  return IValue();
}

}  // namespace

int64_t IdentityOf(const IValue& value) { return static_cast<int64_t>(IValue::HashIdentityIValue()(value)); }

ValueId ValueTable::Add(RecordValue value) {
  record_.values.push_back(std::move(value));
  return static_cast<ValueId>(record_.values.size() - 1);
}

ValueId ValueTable::AddTensor(const at::Tensor& tensor, const char* role) {
  RecordValue value;
  value.kind = ValueKind::kTensor;
  value.shape = tensor.sizes().vec();
  value.dtype = DTypeName(tensor.scalar_type());
  value.role = role;
  const bool integral = c10::isIntegralType(tensor.scalar_type(), /*includeBool=*/true);
  const bool real = c10::isFloatingType(tensor.scalar_type());
  const std::string origin = role == nullptr ? "" : role;
  const bool fixed = origin == "constant" || origin == "buffer";
  // 0-d results are the shape arithmetic of traces.
  const bool wanted = integral ? fixed || tensor.dim() == 0 : real && role == nullptr && tensor.dim() == 0;
  if (wanted && tensor.numel() <= kMaxData && tensor.layout() == c10::kStrided && !tensor.is_quantized() &&
      !tensor.is_meta()) {
    c10::NoGradGuard no_grad;
    const at::Tensor plain = tensor.detach().to(at::kCPU, at::kDouble).contiguous();
    const double* data = plain.const_data_ptr<double>();
    value.data.emplace(data, data + plain.numel());
  }
  return Add(std::move(value));
}

ValueId ValueTable::AddScalar(const IValue& scalar) {
  RecordValue value;
  if (scalar.isInt()) {
    value.kind = ValueKind::kInt;
    value.integer = scalar.toInt();
  } else if (scalar.isDouble()) {
    value.kind = ValueKind::kFloat;
    value.real = scalar.toDouble();
  } else if (scalar.isBool()) {
    value.kind = ValueKind::kBool;
    value.boolean = scalar.toBool();
  } else if (scalar.isString()) {
    value.kind = ValueKind::kString;
    value.text = scalar.toStringRef();
  } else if (scalar.isNone() || scalar.isTensor()) {  // a tensor here is an undefined one
    value.kind = ValueKind::kNone;
  }
  return Add(std::move(value));
}

ValueId ValueTable::AddOwned(const at::Tensor& tensor, const char* role, std::vector<std::string> names) {
  const ValueId id = AddTensor(tensor, role);
  record_.values[id].names = std::move(names);
  Tie(tensor, id);
  return id;
}

void ValueTable::Tie(const at::Tensor& tensor, ValueId id) {
  tensors_.insert_or_assign(tensor.unsafeGetTensorImpl(), Known{tensor, id, 0});
}

IValue ValueTable::NewLeaf(ValueId id) {
  leaves_.push_back({id, clock_});
  return static_cast<int64_t>(leaves_.size() - 1);
}

IValue ValueTable::Remember(const IValue& container, IValue shadow) {
  if (!container.isTuple()) containers_.insert_or_assign(IdentityOf(container), Slot{container, shadow});
  return shadow;
}

void ValueTable::Know(const Slot& slot) {
  if (slot.value.isList() || slot.value.isGenericDict()) {
    containers_.try_emplace(IdentityOf(slot.value), slot);
  }
}

void ValueTable::Forget(const IValue& container) {
  if (container.isList() || container.isGenericDict()) containers_.erase(IdentityOf(container));
}

IValue ValueTable::ShadowOf(const IValue& value) {
  if (!IsContainer(value)) return NewLeaf(-1);
  if (!value.isTuple()) {
    const auto known = containers_.find(IdentityOf(value));
    if (known != containers_.end()) return known->second.shadow;
  }
  if (value.isTuple()) {
    std::vector<IValue> items;
    for (const IValue& item : value.toTupleRef().elements()) items.push_back(ShadowOf(item));
    return c10::ivalue::Tuple::create(std::move(items));
  }
  if (value.isList()) {
    auto list = NewShadowList();
    for (const IValue& item : value.toList()) list.push_back(ShadowOf(item));
    return Remember(value, list);
  }
  const auto dict = value.toGenericDict();
  c10::impl::GenericDict shadows(dict.keyType(), c10::AnyType::get());
  for (const auto& entry : dict) shadows.insert(entry.key(), ShadowOf(entry.value()));
  return Remember(value, shadows);
}

Arg ValueTable::Fresh(Slot& slot, bool mutated, const char* role) {
  ++clock_;
  const std::function<Arg(const IValue&, IValue&)> visit = [&](const IValue& value, IValue& shadow) -> Arg {
    Arg arg;
    if (!IsContainer(value)) {
      if (value.isTensor() && value.toTensor().defined()) {
        const at::Tensor& tensor = value.toTensor();
        arg.id = AddTensor(tensor, role);
        const auto [known, added] = tensors_.try_emplace(tensor.unsafeGetTensorImpl(), Known{tensor, arg.id, 0});
        if (!added && mutated) {
          known->second.latest = arg.id;
          known->second.mutated = clock_;
        }
      } else {
        arg.id = AddScalar(value);
      }
      shadow = NewLeaf(arg.id);
      return arg;
    }
    arg.list = true;
    const auto item = [&](const IValue& inner) {
      IValue inner_shadow;
      arg.items.push_back(visit(inner, inner_shadow));
      return inner_shadow;
    };
    if (value.isTuple()) {
      std::vector<IValue> items;
      for (const IValue& inner : value.toTupleRef().elements()) items.push_back(item(inner));
      shadow = c10::ivalue::Tuple::create(std::move(items));
    } else if (value.isList()) {
      auto list = NewShadowList();
      for (const IValue& inner : value.toList()) list.push_back(item(inner));
      shadow = Remember(value, list);
    } else {
      const auto dict = value.toGenericDict();
      c10::impl::GenericDict shadows(dict.keyType(), c10::AnyType::get());
      for (const auto& entry : dict) shadows.insert(entry.key(), item(entry.value()));
      shadow = Remember(value, shadows);
    }
    return arg;
  };
  return visit(slot.value, slot.shadow);
}

ValueId ValueTable::Resolve(const IValue& value, Leaf* leaf) {
  if (value.isTensor() && value.toTensor().defined()) {
    const at::Tensor& tensor = value.toTensor();
    auto known = tensors_.find(tensor.unsafeGetTensorImpl());
    if (known == tensors_.end()) {
      // It was never seen: it comes out of something that can't be looked into. No role, no operator that made it.
      known = tensors_.emplace(tensor.unsafeGetTensorImpl(), Known{tensor, AddTensor(tensor, nullptr), 0}).first;
    }
    const bool current = leaf != nullptr && leaf->id >= 0 && known->second.mutated <= leaf->made;
    return current ? leaf->id : known->second.latest;
  }
  if (leaf == nullptr) return AddScalar(value);
  if (leaf->id < 0) leaf->id = AddScalar(value);
  return leaf->id;
}

Arg ValueTable::Walk(const IValue& value, const IValue& shadow) {
  Arg arg;
  if (!IsContainer(value)) {
    arg.id = Resolve(value, shadow.isInt() ? &leaves_[shadow.toInt()] : nullptr);
    return arg;
  }
  arg.list = true;
  if (value.isTuple()) {
    const auto& items = value.toTupleRef().elements();
    for (size_t i = 0; i < items.size(); ++i) arg.items.push_back(Walk(items[i], ShadowAt(shadow, i, items.size())));
  } else if (value.isList()) {
    const auto list = value.toList();
    for (size_t i = 0; i < list.size(); ++i) arg.items.push_back(Walk(list.get(i), ShadowAt(shadow, i, list.size())));
  } else {
    for (const auto& entry : value.toGenericDict()) {
      IValue inner;
      if (shadow.isGenericDict() && shadow.toGenericDict().contains(entry.key())) {
        inner = shadow.toGenericDict().at(entry.key());
      }
      arg.items.push_back(Walk(entry.value(), inner));
    }
  }
  return arg;
}

Arg ValueTable::Of(Slot& slot) {
  if (slot.value.isList() || slot.value.isGenericDict()) {
    // By identity: an operator may have made the old shadow void.
    slot.shadow = ShadowOf(slot.value);
  } else if (slot.shadow.isNone()) {
    slot.shadow = ShadowOf(slot.value);
  }
  return Walk(slot.value, slot.shadow);
}

Slot ValueTable::Copy(Slot& slot, Copies& copies) {
  Of(slot);
  const std::function<Slot(const IValue&, const IValue&)> copy = [&](const IValue& value,
                                                                     const IValue& shadow) -> Slot {
    if (value.isTensor() && value.toTensor().defined()) {
      const at::Tensor& tensor = value.toTensor();
      const auto [place, added] = copies.tensors.try_emplace(tensor.unsafeGetTensorImpl());
      if (added) {
        place->second = tensor.detach().clone();
        place->second.set_requires_grad(tensor.requires_grad());
        Known known = tensors_.at(tensor.unsafeGetTensorImpl());
        known.tensor = place->second;
        tensors_.insert_or_assign(place->second.unsafeGetTensorImpl(), std::move(known));
      }
      return {place->second, shadow};
    }
    if (!IsContainer(value)) return {value, shadow};
    if (value.isTuple()) {
      const auto& items = value.toTupleRef().elements();
      std::vector<IValue> values, shadows;
      for (size_t i = 0; i < items.size(); ++i) {
        Slot inner = copy(items[i], ShadowAt(shadow, i, items.size()));
        values.push_back(std::move(inner.value));
        shadows.push_back(std::move(inner.shadow));
      }
      const auto type = value.type()->cast<c10::TupleType>();
      IValue tuple = type->schema() ? c10::ivalue::Tuple::createNamed(std::move(values), type)
                                    : c10::ivalue::Tuple::create(std::move(values));
      return {std::move(tuple), c10::ivalue::Tuple::create(std::move(shadows))};
    }
    const auto known = copies.containers.find(IdentityOf(value));
    if (known != copies.containers.end()) return known->second;
    Slot result;
    if (value.isList()) {
      const auto list = value.toList();
      c10::impl::GenericList values(list.elementType());
      auto shadows = NewShadowList();
      for (size_t i = 0; i < list.size(); ++i) {
        Slot inner = copy(list.get(i), ShadowAt(shadow, i, list.size()));
        values.push_back(std::move(inner.value));
        shadows.push_back(std::move(inner.shadow));
      }
      result = {values, shadows};
    } else {
      const auto dict = value.toGenericDict();
      c10::impl::GenericDict values(dict.keyType(), dict.valueType());
      c10::impl::GenericDict shadows(dict.keyType(), c10::AnyType::get());
      for (const auto& entry : dict) {
        Slot inner = copy(entry.value(), shadow.toGenericDict().at(entry.key()));
        values.insert(entry.key(), std::move(inner.value));
        shadows.insert(entry.key(), std::move(inner.shadow));
      }
      result = {values, shadows};
    }
    Remember(result.value, result.shadow);
    copies.containers.emplace(IdentityOf(value), result);
    return result;
  };
  return copy(slot.value, slot.shadow);
}

}  // namespace espalier::script
