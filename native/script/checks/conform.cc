#include "script/checks/conform.h"

#include <ATen/Functions.h>
#include <ATen/core/Dict.h>
#include <ATen/core/List.h>
#include <ATen/core/enum_type.h>

#include <exception>
#include <set>
#include <utility>
#include <vector>

namespace espalier::script {

using c10::IValue;
using c10::TypeKind;
using c10::TypePtr;

namespace {

struct Work {
  IValue value;
  TypePtr type;
  std::string path;
};

// Sparse and quantized tensors are made of several, which are not compared when they are read.
bool IsSound(const at::Tensor& tensor) {
  if (!tensor.defined()) return true;
  try {
    if (tensor.layout() == at::kSparse) {
      at::_validate_sparse_coo_tensor_args(tensor._indices(), tensor._values(), tensor.sizes());
    } else if (tensor.layout() == at::kSparseCsr) {
      at::_validate_sparse_csr_tensor_args(tensor.crow_indices(), tensor.col_indices(), tensor.values(),
                                           tensor.sizes());
    } else if (tensor.is_quantized() && tensor.qscheme() == at::kPerChannelAffine) {
      const int64_t channels = tensor.size(tensor.q_per_channel_axis());
      return tensor.q_per_channel_scales().numel() == channels &&
             tensor.q_per_channel_zero_points().numel() == channels;
    }
  } catch (const std::exception&) {
    return false;
  }
  return true;
}

class Walk {
 public:
  std::optional<std::string> Find(const torch::jit::Module& module) {
    work_.push_back({module._ivalue(), module.type(), ""});
    while (!work_.empty()) {
      const Work work = std::move(work_.back());
      work_.pop_back();
      if (!Visit(work)) return work.path.empty() ? "the module itself" : work.path.substr(1);
    }
    return std::nullopt;
  }

 private:
  // Whether the value fits; what it holds is left for later.
  bool Visit(const Work& work) {
    const IValue& value = work.value;
    const bool shared = value.isObject() || value.isList() || value.isGenericDict() || value.isTuple();
    if (shared && !seen_.insert({value.internalToPointer(), work.type.get()}).second) return true;
    switch (work.type->kind()) {
      case TypeKind::TensorType:
        return value.isTensor() && IsSound(value.toTensor());
      case TypeKind::IntType:
        return value.isInt();
      case TypeKind::FloatType:
        return value.isDouble();
      case TypeKind::ComplexType:
        return value.isComplexDouble();
      case TypeKind::NumberType:
        return value.isScalar();
      case TypeKind::BoolType:
        return value.isBool();
      case TypeKind::StringType:
        return value.isString();
      case TypeKind::NoneType:
        return value.isNone();
      case TypeKind::OptionalType: {
        if (!value.isNone()) Later(value, work.type->containedType(0), work.path);
        return true;
      }
      case TypeKind::EnumType:
        return value.isEnum() && *value.toEnumHolder()->type() == *work.type;
      case TypeKind::ListType: {
        if (!value.isList()) return false;
        const auto list = value.toList();
        for (size_t i = 0; i < list.size(); i++) {
          Later(list.get(i), work.type->containedType(0), work.path + "." + std::to_string(i));
        }
        return true;
      }
      case TypeKind::DictType: {
        if (!value.isGenericDict()) return false;
        for (const auto& entry : value.toGenericDict()) {
          Later(entry.key(), work.type->containedType(0), work.path + ".key");
          Later(entry.value(), work.type->containedType(1), work.path + ".value");
        }
        return true;
      }
      case TypeKind::TupleType: {
        if (!value.isTuple()) return false;
        const auto& items = value.toTupleRef().elements();
        if (items.size() != work.type->containedTypes().size()) return false;
        for (size_t i = 0; i < items.size(); i++) {
          Later(items[i], work.type->containedType(i), work.path + "." + std::to_string(i));
        }
        return true;
      }
      case TypeKind::ClassType:
        return value.isObject() && *value.toObjectRef().type() == *work.type && Slots(value, work.path);
      case TypeKind::InterfaceType:
        return value.isObject() && value.toObjectRef().type()->isSubtypeOf(*work.type) && Slots(value, work.path);
      default:
        return !value.isObject() || Slots(value, work.path);
    }
  }

  bool Slots(const IValue& object, const std::string& path) {
    const auto type = object.toObjectRef().type();
    if (object.toObjectRef().slots().size() < type->numAttributes()) return false;
    for (size_t i = 0; i < type->numAttributes(); i++) {
      Later(object.toObjectRef().getSlot(i), type->getAttribute(i), path + "." + type->getAttributeName(i));
    }
    return true;
  }

  void Later(const IValue& value, const TypePtr& type, std::string path) {
    work_.push_back({value, type, std::move(path)});
  }

  std::vector<Work> work_;
  std::set<std::pair<const void*, const void*>> seen_;
};

}  // namespace

std::optional<std::string> FindMisfit(const torch::jit::Module& module) { return Walk().Find(module); }

}  // namespace espalier::script
