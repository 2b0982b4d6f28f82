#include "script/module/tensors.h"

#include <ATen/core/Dict.h>
#include <ATen/core/List.h>

#include "script/module/lookup.h"

namespace espalier::script {

using c10::IValue;
using Kind = OwnedTensor::Kind;

namespace {

// A chain of modules longer than this is a cycle.
constexpr int kMaxDepth = 500;

struct Collector {
  std::vector<OwnedTensor> state;
  std::vector<OwnedTensor> others;

  void Nested(const std::string& name, const IValue& value, int depth) {
    if (depth > kMaxDepth) return;
    if (value.isTensor()) {
      if (value.toTensor().defined()) others.push_back({name, Kind::kAttribute, value.toTensor()});
    } else if (value.isList()) {
      const auto list = value.toListRef();
      for (size_t i = 0; i < list.size(); ++i) Nested(JoinPath(name, std::to_string(i)), list[i], depth + 1);
    } else if (value.isTuple()) {
      const auto& items = value.toTupleRef().elements();
      for (size_t i = 0; i < items.size(); ++i) Nested(JoinPath(name, std::to_string(i)), items[i], depth + 1);
    } else if (value.isGenericDict()) {
      size_t i = 0;
      for (const auto& entry : value.toGenericDict())
        Nested(JoinPath(name, std::to_string(i++)), entry.value(), depth + 1);
    }
  }

  void Visit(const c10::ivalue::Object& object, const std::string& path, int depth) {
    if (depth > kMaxDepth) return;
    const auto& type = *object.type();
    for (const Kind kind : {Kind::kParameter, Kind::kBuffer}) {
      for (size_t i = 0; i < type.numAttributes(); ++i) {
        const IValue& value = object.getSlot(i);
        const bool wanted =
            kind == Kind::kParameter ? type.is_parameter(i) : type.is_buffer(i) && !type.is_parameter(i);
        if (!wanted || !value.isTensor() || !value.toTensor().defined()) continue;
        state.push_back({JoinPath(path, type.getAttributeName(i)), kind, value.toTensor()});
      }
    }
    for (size_t i = 0; i < type.numAttributes(); ++i) {
      const IValue& value = object.getSlot(i);
      const std::string name = JoinPath(path, type.getAttributeName(i));
      if (value.isObject() && value.toObjectRef().type()->is_module()) {
        Visit(value.toObjectRef(), name, depth + 1);
      } else if (!(value.isTensor() && (type.is_parameter(i) || type.is_buffer(i)))) {
        Nested(name, value, depth + 1);
      }
    }
  }
};

// The value with every tensor replaced by `change` of it; containers are new.
IValue MapTensor(const IValue& value, const std::function<at::Tensor(const at::Tensor&)>& change) {
  if (value.isTensor()) return value.toTensor().defined() ? IValue(change(value.toTensor())) : value;
  if (value.isTuple()) {
    std::vector<IValue> items;
    for (const IValue& item : value.toTupleRef().elements()) items.push_back(MapTensor(item, change));
    const auto type = value.type()->cast<c10::TupleType>();
    if (type->schema()) return c10::ivalue::Tuple::createNamed(std::move(items), type);
    return c10::ivalue::Tuple::create(std::move(items));
  }
  if (value.isList()) {
    const auto list = value.toList();
    c10::impl::GenericList result(list.elementType());
    for (const IValue& item : list) result.push_back(MapTensor(item, change));
    return result;
  }
  if (value.isGenericDict()) {
    const auto dict = value.toGenericDict();
    c10::impl::GenericDict result(dict.keyType(), dict.valueType());
    for (const auto& entry : dict) result.insert(entry.key(), MapTensor(entry.value(), change));
    return result;
  }
  return value;
}

}  // namespace

std::vector<IValue> MapTensors(const std::vector<IValue>& values,
                               const std::function<at::Tensor(const at::Tensor&)>& change) {
  std::vector<IValue> mapped;
  for (const IValue& value : values) mapped.push_back(MapTensor(value, change));
  return mapped;
}

std::vector<OwnedTensor> OwnedTensors(const torch::jit::Module& module) {
  Collector collector;
  collector.Visit(*module._ivalue(), "", 0);
  std::vector<OwnedTensor> all = std::move(collector.state);
  for (auto& other : collector.others) all.push_back(std::move(other));
  return all;
}

TensorKey KeyOf(const at::Tensor& tensor) {
  // Empty tensors and those without plain memory are only themselves.
  if (!tensor.has_storage() || tensor.numel() == 0 || tensor.storage().data() == nullptr) {
    return {reinterpret_cast<int64_t>(tensor.unsafeGetTensorImpl())};
  }
  TensorKey key = {reinterpret_cast<int64_t>(tensor.storage().unsafeGetStorageImpl()), tensor.storage_offset(),
                   static_cast<int64_t>(tensor.scalar_type())};
  key.insert(key.end(), tensor.sizes().begin(), tensor.sizes().end());
  key.insert(key.end(), tensor.strides().begin(), tensor.strides().end());
  return key;
}

}  // namespace espalier::script
