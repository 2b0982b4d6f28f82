#include "binding/values.h"

#include <ATen/core/Dict.h>
#include <ATen/core/List.h>
#include <ATen/core/jit_type.h>

#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "binding/tensor.h"

namespace espalier {
namespace {

constexpr double kMaxSafe = 9007199254740991.0;  // Number.MAX_SAFE_INTEGER

constexpr std::array<std::pair<const char*, c10::ScalarType>, 10> kDTypes = {{{"float32", c10::kFloat},
                                                                              {"float64", c10::kDouble},
                                                                              {"float16", c10::kHalf},
                                                                              {"bfloat16", c10::kBFloat16},
                                                                              {"int64", c10::kLong},
                                                                              {"int32", c10::kInt},
                                                                              {"int16", c10::kShort},
                                                                              {"int8", c10::kChar},
                                                                              {"uint8", c10::kByte},
                                                                              {"bool", c10::kBool}}};

constexpr std::array<std::pair<const char*, c10::MemoryFormat>, 4> kMemoryFormats = {
    {{"contiguous", c10::MemoryFormat::Contiguous},
     {"channels_last", c10::MemoryFormat::ChannelsLast},
     {"channels_last_3d", c10::MemoryFormat::ChannelsLast3d},
     {"preserve", c10::MemoryFormat::Preserve}}};

template <class Table>
auto Lookup(const Table& table, const std::string& name) -> std::optional<decltype(table[0].second)> {
  for (const auto& [key, value] : table) {
    if (name == key) return value;
  }
  return std::nullopt;
}

Failure Mismatch(Napi::Value value, const c10::TypePtr& type, const std::string& argument) {
  return InvalidArgument(argument + ": expected " + type->annotation_str() + ", not " + Describe(value));
}

bool IsMap(Napi::Value value) {
  return value.IsObject() && value.As<Napi::Object>().InstanceOf(value.Env().Global().Get("Map").As<Napi::Function>());
}

// A plain object or a Map: what stands for a Dict.
bool IsDictionary(Napi::Value value) {
  if (!value.IsObject() || value.IsArray() || value.IsFunction() || value.IsTypedArray() || value.IsArrayBuffer() ||
      IsHandle<NativeTensor>(value)) {
    return false;
  }
  return true;
}

std::vector<std::pair<Napi::Value, Napi::Value>> Entries(Napi::Value value) {
  Napi::Env env = value.Env();
  std::vector<std::pair<Napi::Value, Napi::Value>> entries;
  if (IsMap(value)) {
    Napi::Object array_class = env.Global().Get("Array").As<Napi::Object>();
    Napi::Array pairs = array_class.Get("from").As<Napi::Function>().Call(array_class, {value}).As<Napi::Array>();
    for (uint32_t i = 0; i < pairs.Length(); i++) {
      Napi::Array pair = Napi::Value(pairs[i]).As<Napi::Array>();
      entries.emplace_back(pair[0u], pair[1u]);
    }
    return entries;
  }
  Napi::Object object = value.As<Napi::Object>();
  Napi::Array keys = object.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); i++) {
    Napi::Value key = keys[i];
    entries.emplace_back(key, object.Get(key));
  }
  return entries;
}

std::optional<int64_t> AsInteger(Napi::Value value) {
  if (value.IsBigInt()) {
    bool lossless = false;
    const int64_t integer = value.As<Napi::BigInt>().Int64Value(&lossless);
    return lossless ? std::optional(integer) : std::nullopt;
  }
  if (!value.IsNumber()) return std::nullopt;
  const double number = value.As<Napi::Number>().DoubleValue();
  if (std::trunc(number) != number || std::abs(number) > kMaxSafe) return std::nullopt;
  return static_cast<int64_t>(number);
}

c10::IValue AsScalar(Napi::Value value, const c10::TypePtr& type, const std::string& argument) {
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value();
  if (auto integer = AsInteger(value)) return *integer;
  if (value.IsNumber()) return value.As<Napi::Number>().DoubleValue();
  throw Mismatch(value, type, argument);
}

c10::IValue AsAny(Napi::Value value, const std::string& argument);

c10::IValue AsList(Napi::Value value, const c10::TypePtr& type, const c10::TypePtr& element,
                   const std::string& argument) {
  if (!value.IsArray()) throw Mismatch(value, type, argument);
  Napi::Array array = value.As<Napi::Array>();
  // Lists of symbolic integers are made of plain ones.
  const c10::TypePtr stored = element->kind() == c10::TypeKind::SymIntType ? c10::IntType::get() : element;
  c10::impl::GenericList list(stored);
  list.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) {
    list.push_back(ToIValue(array[i], stored, argument + "[" + std::to_string(i) + "]"));
  }
  return list;
}

c10::IValue AsTuple(Napi::Value value, const c10::TypePtr& type, const std::string& argument) {
  const auto elements = type->expectRef<c10::TupleType>().elements();
  if (!value.IsArray() || value.As<Napi::Array>().Length() != elements.size()) throw Mismatch(value, type, argument);
  Napi::Array array = value.As<Napi::Array>();
  std::vector<c10::IValue> items;
  for (uint32_t i = 0; i < array.Length(); i++) {
    items.push_back(ToIValue(array[i], elements[i], argument + "[" + std::to_string(i) + "]"));
  }
  return c10::ivalue::Tuple::create(std::move(items));
}

c10::IValue AsDict(Napi::Value value, const c10::TypePtr& type, const std::string& argument) {
  if (!IsDictionary(value)) throw Mismatch(value, type, argument);
  const auto& dict_type = type->expectRef<c10::DictType>();
  c10::impl::GenericDict dict(dict_type.getKeyType(), dict_type.getValueType());
  const bool numeric = !IsMap(value) && dict_type.getKeyType()->kind() == c10::TypeKind::IntType;
  for (auto& [key, item] : Entries(value)) {
    const std::string place = argument + "[" + Describe(key) + "]";
    dict.insert(ToIValue(numeric ? Napi::Value(key.ToNumber()) : key, dict_type.getKeyType(), place),
                ToIValue(item, dict_type.getValueType(), place));
  }
  return dict;
}

c10::IValue AsAny(Napi::Value value, const std::string& argument) {
  if (value.IsNull() || value.IsUndefined()) return {};
  if (IsHandle<NativeTensor>(value)) return UnwrapTensor(value, argument.c_str());
  if (value.IsString()) return value.As<Napi::String>().Utf8Value();
  if (value.IsArray()) {
    Napi::Array array = value.As<Napi::Array>();
    bool all_tensors = array.Length() > 0;
    for (uint32_t i = 0; i < array.Length(); i++) all_tensors = all_tensors && IsHandle<NativeTensor>(array[i]);
    if (all_tensors) return AsList(value, nullptr, c10::TensorType::get(), argument);
    std::vector<c10::IValue> items;
    for (uint32_t i = 0; i < array.Length(); i++) items.push_back(AsAny(array[i], argument));
    return c10::ivalue::Tuple::create(std::move(items));
  }
  if (IsDictionary(value)) {
    return AsDict(value, c10::DictType::create(c10::StringType::get(), c10::TensorType::get()), argument);
  }
  return AsScalar(value, c10::AnyType::get(), argument);
}

template <class Enum, class Table>
c10::IValue AsName(Napi::Value value, const Table& table, const c10::TypePtr& type, const std::string& argument) {
  if (value.IsString()) {
    if (auto found = Lookup(table, value.As<Napi::String>().Utf8Value())) return static_cast<int64_t>(*found);
  }
  throw Mismatch(value, type, argument);
}

}  // namespace

c10::IValue ToIValue(Napi::Value value, const c10::TypePtr& type, const std::string& argument) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType:
      if (!IsHandle<NativeTensor>(value)) throw Mismatch(value, type, argument);
      return UnwrapTensor(value, argument.c_str());
    case c10::TypeKind::OptionalType:
      if (value.IsNull() || value.IsUndefined()) return {};
      return ToIValue(value, type->expectRef<c10::OptionalType>().getElementType(), argument);
    case c10::TypeKind::NumberType:
      return AsScalar(value, type, argument);
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType:
      if (auto integer = AsInteger(value)) return *integer;
      throw Mismatch(value, type, argument);
    case c10::TypeKind::FloatType:
    case c10::TypeKind::SymFloatType:
      if (!value.IsNumber()) throw Mismatch(value, type, argument);
      return value.As<Napi::Number>().DoubleValue();
    case c10::TypeKind::BoolType:
    case c10::TypeKind::SymBoolType:
      if (!value.IsBoolean()) throw Mismatch(value, type, argument);
      return value.As<Napi::Boolean>().Value();
    case c10::TypeKind::StringType:
      if (!value.IsString()) throw Mismatch(value, type, argument);
      return value.As<Napi::String>().Utf8Value();
    case c10::TypeKind::DeviceObjType:
      return ToDevice(value, argument.c_str());
    case c10::TypeKind::ScalarTypeType:
      return AsName<c10::ScalarType>(value, kDTypes, type, argument);
    case c10::TypeKind::MemoryFormatType:
      return AsName<c10::MemoryFormat>(value, kMemoryFormats, type, argument);
    case c10::TypeKind::LayoutType:
      if (value.IsString() && value.As<Napi::String>().Utf8Value() == "strided") {
        return static_cast<int64_t>(c10::Layout::Strided);
      }
      throw Mismatch(value, type, argument);
    case c10::TypeKind::ListType:
      return AsList(value, type, type->expectRef<c10::ListType>().getElementType(), argument);
    case c10::TypeKind::TupleType:
      return AsTuple(value, type, argument);
    case c10::TypeKind::DictType:
      return AsDict(value, type, argument);
    case c10::TypeKind::AnyType:
      return AsAny(value, argument);
    case c10::TypeKind::NoneType:
    case c10::TypeKind::GeneratorType:
      if (value.IsNull() || value.IsUndefined()) return {};
      throw Mismatch(value, type, argument);
    case c10::TypeKind::UnionType:
      for (const c10::TypePtr& member : type->expectRef<c10::UnionType>().containedTypes()) {
        try {
          return ToIValue(value, member, argument);
        } catch (const Failure& failure) {
          if (failure.code != "ERR_INVALID_ARGUMENT") throw;
        }
      }
      throw Mismatch(value, type, argument);
    default:
      throw Failure("ERR_UNSUPPORTED",
                    argument + ": a value of type " + type->annotation_str() + " can't be made from JavaScript");
  }
}

c10::IValue ToIValue(Napi::Value value, const c10::Argument& argument) {
  // The real type tells a dtype from any other integer.
  c10::TypePtr type = argument.real_type();
  if (argument.N() && value.IsNumber()) {
    c10::TypePtr list = type;
    if (auto optional = type->cast<c10::OptionalType>()) list = optional->getElementType();
    Napi::Array repeated = Napi::Array::New(value.Env(), *argument.N());
    for (int32_t i = 0; i < *argument.N(); i++) repeated.Set(i, value);
    return ToIValue(repeated, list, argument.name());
  }
  return ToIValue(value, type, argument.name());
}

std::vector<c10::IValue> ToInputs(Napi::Array inputs, const c10::FunctionSchema& schema) {
  const auto& arguments = schema.arguments();
  const size_t wanted = arguments.size() - 1;  // without self
  if (inputs.Length() > wanted) {
    throw InvalidArgument(schema.name() + " takes at most " + std::to_string(wanted) + " inputs, not " +
                          std::to_string(inputs.Length()));
  }
  std::vector<c10::IValue> values;
  for (size_t i = 0; i < wanted; i++) {
    const c10::Argument& argument = arguments[i + 1];
    if (i < inputs.Length()) {
      values.push_back(
          ToIValue(inputs[i], argument.type(), "input " + std::to_string(i) + " (" + argument.name() + ")"));
    } else if (argument.default_value()) {
      values.push_back(*argument.default_value());
    } else {
      throw InvalidArgument(schema.name() + " needs an input '" + argument.name() + "' of type " +
                            argument.type()->annotation_str() + "; " + std::to_string(inputs.Length()) +
                            " inputs were given");
    }
  }
  return values;
}

Napi::Value FromIValue(Napi::Env env, const c10::IValue& value) {
  if (value.isTensor()) {
    const at::Tensor& tensor = value.toTensor();
    return tensor.defined() ? Napi::Value(WrapTensor(env, tensor)) : env.Null();
  }
  if (value.isNone()) return env.Null();
  if (value.isBool()) return Napi::Boolean::New(env, value.toBool());
  if (value.isDouble()) return Napi::Number::New(env, value.toDouble());
  if (value.isString()) return Napi::String::New(env, value.toStringRef());
  if (value.isDevice()) return Napi::String::New(env, value.toDevice().str());
  if (value.isInt()) {
    const int64_t integer = value.toInt();
    if (std::abs(static_cast<double>(integer)) > kMaxSafe) return Napi::BigInt::New(env, integer);
    return Napi::Number::New(env, static_cast<double>(integer));
  }
  if (value.isList() || value.isTuple()) {
    Napi::Array array = Napi::Array::New(env);
    uint32_t index = 0;
    if (value.isTuple()) {
      for (const c10::IValue& item : value.toTupleRef().elements()) array.Set(index++, FromIValue(env, item));
    } else {
      for (const c10::IValue& item : value.toListRef()) array.Set(index++, FromIValue(env, item));
    }
    return array;
  }
  if (value.isGenericDict()) {
    Napi::Object map = env.Global().Get("Map").As<Napi::Function>().New({});
    Napi::Function set = map.Get("set").As<Napi::Function>();
    for (const auto& entry : value.toGenericDict()) {
      set.Call(map, {FromIValue(env, entry.key()), FromIValue(env, entry.value())});
    }
    return map;
  }
  throw Failure("ERR_UNSUPPORTED", "a value of type " + value.type()->annotation_str() + " has no JavaScript form", "",
                "return tensors, numbers, strings, lists, tuples or dicts");
}

std::string Describe(Napi::Value value) {
  if (value.IsUndefined()) return "undefined";
  if (value.IsNull()) return "null";
  if (value.IsString()) return "\"" + value.As<Napi::String>().Utf8Value().substr(0, 60) + "\"";
  if (value.IsNumber() || value.IsBoolean() || value.IsBigInt()) {
    return value.ToString().Utf8Value() + (value.IsBigInt() ? "n" : "");
  }
  if (value.IsArray()) return "an array of " + std::to_string(value.As<Napi::Array>().Length());
  if (value.IsFunction()) return "a function";
  if (value.IsSymbol()) return "a symbol";
  if (value.IsTypedArray()) return "a typed array";
  if (IsHandle<NativeTensor>(value)) return "a tensor";
  return "an object";
}

const char* DTypeName(c10::ScalarType type) {
  for (const auto& [name, candidate] : kDTypes) {
    if (candidate == type) return name;
  }
  return "other";
}

c10::ScalarType ToDType(Napi::Value value, const char* argument) {
  const std::string name = ToText(value, argument);
  if (auto type = Lookup(kDTypes, name)) return *type;
  throw InvalidArgument(std::string(argument) + ": there is no dtype " + Describe(value));
}

c10::Device ToDevice(Napi::Value value, const char* argument) {
  const std::string name = ToText(value, argument);
  try {
    return c10::Device(name);
  } catch (const std::exception&) {
    throw InvalidArgument(std::string(argument) + ": there is no device " + Describe(value));
  }
}

std::string ToText(Napi::Value value, const char* argument) {
  if (!value.IsString()) throw InvalidArgument(std::string(argument) + " must be a string, not " + Describe(value));
  return value.As<Napi::String>().Utf8Value();
}

bool ToFlag(Napi::Value value, const char* argument) {
  if (!value.IsBoolean()) throw InvalidArgument(std::string(argument) + " must be a boolean, not " + Describe(value));
  return value.As<Napi::Boolean>().Value();
}

int64_t ToInteger(Napi::Value value, const char* argument, int64_t low, int64_t high) {
  const auto integer = value.IsNumber() ? AsInteger(value) : std::nullopt;
  if (!integer || *integer < low || *integer > high) {
    throw InvalidArgument(std::string(argument) + " must be an integer from " + std::to_string(low) + " to " +
                          std::to_string(high) + ", not " + Describe(value));
  }
  return *integer;
}

std::vector<int64_t> ToShape(Napi::Value value, const char* argument) {
  if (!value.IsArray()) {
    throw InvalidArgument(std::string(argument) + " must be an array of integers, not " + Describe(value));
  }
  Napi::Array array = value.As<Napi::Array>();
  std::vector<int64_t> shape;
  for (uint32_t i = 0; i < array.Length(); i++) {
    const std::string place = std::string(argument) + "[" + std::to_string(i) + "]";
    shape.push_back(ToInteger(array[i], place.c_str(), 0, static_cast<int64_t>(kMaxSafe)));
  }
  return shape;
}

}  // namespace espalier
