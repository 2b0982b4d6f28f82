#include "archive/pickle.h"

#include <algorithm>
#include <string>
#include <vector>

#include "archive/names.h"
#include "archive/pickle_machine.h"
#include "archive/program.h"

namespace espalier::archive {
namespace pickle {

void Machine::Step(unsigned char opcode) {
  switch (opcode) {
    case kMark:
      return marks_.push_back(stack_.size());
    case kNone:
    case kNewTrue:
    case kNewFalse:
      return Push({});
    case kBinFloat:
      Bytes(8);
      return Push({});
    case kBinInt1:
      return PushInt(static_cast<int64_t>(Number(1)));
    case kBinInt2:
      return PushInt(static_cast<int64_t>(Number(2)));
    case kBinInt:
      return PushInt(static_cast<int32_t>(Number(4)));
    case kLong1:
      if (Byte() != 8) throw Malformed("has a whole number that is not of 64 bits");
      return PushInt(static_cast<int64_t>(Number(8)));
    case kBinUnicode: {
      Value value{Kind::kString};
      value.text = Bytes(Number(4));
      Spend(value.text.size());
      return Push(value);
    }
    case kGlobal: {
      const std::string_view module = Line(), name = Line();
      // LibTorch's lookup recurses on the parts of a name.
      if (static_cast<uint64_t>(std::count(module.begin(), module.end(), '.')) > limits_.depth) {
        throw OverLimit("a name in it has more than " + std::to_string(limits_.depth) + " parts", "depth");
      }
      const std::optional<Global> global = FindGlobal(module, name);
      if (!global) {
        throw Malformed("names " + Quoted(std::string(module) + "." + std::string(name)) +
                        ", which no TorchScript file needs");
      }
      Value value{Kind::kGlobal};
      value.global = *global;
      return Push(value);
    }
    case kEmptyTuple:
      return PushTuple({});
    case kTuple1:
    case kTuple2:
    case kTuple3:
      return PushTuple(PopMany(opcode - kTuple1 + 1));
    case kTuple:
      return PushTuple(PopToMark());
    case kEmptyList:
      return Push(Make(Kind::kList));
    case kEmptyDict:
      return Push(Make(Kind::kDict));
    case kList:
    case kDict: {
      const Kind kind = opcode == kList ? Kind::kList : Kind::kDict;
      const Value container = Make(kind);
      Fill(container, PopToMark(), kind);
      return Push(container);
    }
    case kAppend:
    case kAppends: {
      const auto items = opcode == kAppend ? PopMany(1) : PopToMark();
      const Value list = Pop();
      Fill(list, items, Kind::kList);
      return stack_.push_back(list);
    }
    case kSetItem:
    case kSetItems: {
      const auto items = opcode == kSetItem ? PopMany(2) : PopToMark();
      const Value dict = Pop();
      Fill(dict, items, Kind::kDict);
      return stack_.push_back(dict);
    }
    case kBinPut:
      return Put(Number(1));
    case kLongBinPut:
      return Put(Number(4));
    case kBinGet:
      return Get(Number(1));
    case kLongBinGet:
      return Get(Number(4));
    case kNewObject:
      // The object itself is made by the BUILD that follows, out of the global below.
      if (!Items(Pop(), 0).empty()) throw Malformed("makes an object with arguments");
      return;
    case kBuild:
    case kReduce: {
      const Value argument = Pop();
      return Call(PopKind(Kind::kGlobal), argument);
    }
    case kBinPersId:
      return LoadStorage(Pop());
    default:
      throw Malformed("has an instruction that LibTorch does not know (" + std::to_string(opcode) + ")");
  }
}

void Machine::Call(const Value& function, const Value& argument) {
  switch (function.global.call) {
    case Call::kNothing:
      throw Malformed("calls what is no function");
    case Call::kObject: {
      const Value object = Make(Kind::kObject);
      Hold(*object.cell, argument);
      return Push(object);
    }
    case Call::kTensor:
    case Call::kQuantizedTensor:
      return MakeTensor(argument, function.global.call == Call::kQuantizedTensor);
    case Call::kSparseTensor:
      Items(argument, 5);
      return Push(Make(Kind::kTensor));
    case Call::kTyped: {
      const auto& items = Items(argument, 1);
      if (items[0].kind != Kind::kList && items[0].kind != Kind::kDict) throw Malformed("gives a type to no container");
      if (items.size() > 1 && items[1].kind == Kind::kString) CheckProgram(items[1].text, limits_);
      return Push(items[0]);
    }
    case Call::kScalar:
      Items(argument, 1);
      return Push({});
    case Call::kNone:
      return Push({});
  }
}

void Machine::LoadStorage(const Value& id) {
  const auto& parts = Items(id, 5);
  const uint32_t element_size = parts[1].kind == Kind::kGlobal ? parts[1].global.element_size : 0;
  if (parts[0].kind != Kind::kString || parts[0].text != "storage" || element_size == 0 ||
      parts[2].kind != Kind::kString || parts[3].kind != Kind::kString || parts[4].kind != Kind::kInt) {
    throw Malformed("describes a storage in an unknown way");
  }
  const std::string key = Quoted(parts[2].text);
  const int64_t count = parts[4].number;
  if (count < 0) throw Malformed("has a storage of " + std::to_string(count) + " elements");
  if (static_cast<uint64_t>(count) > limits_.memory / element_size) Spend(limits_.memory + 1);
  const uint64_t bytes = static_cast<uint64_t>(count) * element_size;
  Spend(bytes);
  if (count > 0) {
    const std::optional<uint64_t> there = storage_size_(parts[2].text);
    if (!there) throw Malformed("needs the tensor data " + key + ", which are missing");
    if (*there < bytes) {
      throw Malformed("takes " + std::to_string(bytes) + " bytes from the tensor data " + key + ", which are only " +
                      std::to_string(*there));
    }
  }
  const Value storage = Make(Kind::kStorage);
  storage.cell->bytes = bytes;
  storage.cell->element_size = element_size;
  Push(storage);
}

// (storage, offset, sizes, strides, [quantizer,] requires_grad, hooks[, metadata])
void Machine::MakeTensor(const Value& argument, bool quantized) {
  const auto& parts = Items(argument, quantized ? 7 : 6);
  if (parts[0].kind != Kind::kStorage || parts[1].kind != Kind::kInt) throw Malformed("has a tensor without a storage");
  const Cell& storage = *parts[0].cell;
  const std::vector<int64_t> sizes = Integers(parts[2]), strides = Integers(parts[3]);
  const auto negative = [](int64_t number) { return number < 0; };
  const int64_t offset = parts[1].number;
  if (sizes.size() != strides.size() || sizes.size() > 64 || offset < 0 ||
      std::any_of(sizes.begin(), sizes.end(), negative) || std::any_of(strides.begin(), strides.end(), negative)) {
    throw Malformed("has a tensor with impossible sizes");
  }
  __int128 last = offset, count = 1;  // the last element's place in the storage
  const __int128 elements = storage.bytes / storage.element_size;
  const bool empty = std::find(sizes.begin(), sizes.end(), 0) != sizes.end();
  for (size_t i = 0; i < sizes.size(); i++) {
    if (!empty) last += static_cast<__int128>(sizes[i] - 1) * strides[i];
    if (sizes[i] > 0) count *= sizes[i];
    if (count > static_cast<__int128>(limits_.memory)) Spend(limits_.memory + 1);
    if (last >= elements && !empty) break;
  }
  if (empty ? offset > elements : last >= elements) {
    throw Malformed("has a tensor that reaches out of its storage of " + std::to_string(storage.bytes) + " bytes");
  }
  const Value tensor = Make(Kind::kTensor);
  Push(tensor);
}

}  // namespace pickle

uint64_t CheckPickle(std::string_view pickle, const StorageSize& storage_size, const Limits& limits) {
  return pickle::Machine(pickle, storage_size, limits).Run();
}

}  // namespace espalier::archive
