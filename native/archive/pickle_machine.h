#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/limits.h"
#include "archive/pickle.h"
#include "archive/pickle_globals.h"
#include "archive/refusal.h"

// The stack machine that a pickle is a program of, on the kinds of its values alone.
namespace espalier::archive::pickle {

// Opcodes of pickle's protocol 2 that LibTorch reads.
enum Opcode : unsigned char {
  kMark = '(',
  kStop = '.',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinUnicode = 'X',
  kAppends = 'e',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kDict = 'd',
  kEmptyDict = '}',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kList = 'l',
  kEmptyList = ']',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kProto = 0x80,
  kNewObject = 0x81,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
};

// What an unpickled value may cost, however often it is shared: LibTorch walks values without remembering.
constexpr uint64_t kMaxWeight = 100'000'000;
// Of one pickle, shared values counted once.
constexpr uint64_t kMaxValues = 10'000'000;
// Bytes of a value in LibTorch, for the sum of memory.
constexpr uint64_t kValueBytes = 32;

enum class Kind : uint8_t { kScalar, kInt, kString, kGlobal, kStorage, kTensor, kTuple, kList, kDict, kObject };

// A container, storage or tensor, shared by all who hold it.
struct Cell;

struct Value {
  Kind kind = Kind::kScalar;
  int64_t number = 0;       // kInt
  std::string_view text{};  // kString
  Global global{};          // kGlobal
  Cell* cell = nullptr;
};

struct Cell {
  uint64_t depth = 1;
  uint64_t weight = 1;
  bool held = false;          // by another one
  uint64_t bytes = 0;         // kStorage
  uint32_t element_size = 0;  // kStorage
  std::vector<Value> items;   // kTuple
};

inline Refusal Malformed(const std::string& what) { return Damaged("a pickle in it " + what); }

class Machine {
 public:
  Machine(std::string_view pickle, const StorageSize& storage_size, const Limits& limits)
      : pickle_(pickle), storage_size_(storage_size), limits_(limits) {}

  uint64_t Run() {
    if (Byte() != kProto || Byte() != 2) throw Malformed("is not of protocol 2");
    for (;;) {
      const unsigned char opcode = Byte();
      if (opcode == kStop) break;
      Step(opcode);
    }
    if (stack_.size() != 1) throw Malformed("does not end with one value");
    return memory_;
  }

 private:
  void Step(unsigned char opcode);
  void Call(const Value& function, const Value& argument);
  void LoadStorage(const Value& id);
  void MakeTensor(const Value& argument, bool quantized);

  std::string_view Bytes(uint64_t size) {
    if (size > pickle_.size() - at_) throw Malformed("ends too early");
    at_ += size;
    return pickle_.substr(at_ - size, size);
  }
  unsigned char Byte() { return static_cast<unsigned char>(Bytes(1)[0]); }
  uint64_t Number(int width) {
    const std::string_view bytes = Bytes(width);
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; i--) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
  }
  std::string_view Line() {
    const size_t end = pickle_.find('\n', at_);
    if (end == std::string_view::npos) throw Malformed("ends too early");
    const std::string_view line = pickle_.substr(at_, end - at_);
    at_ = end + 1;
    return line;
  }

  void Spend(uint64_t bytes) {
    memory_ += bytes;
    if (bytes > limits_.memory || memory_ > limits_.memory) {
      throw OverLimit("its values need more than " + std::to_string(limits_.memory) + " bytes of memory", "memory");
    }
  }

  void Push(Value value) {
    if (++values_ > kMaxValues) {
      throw OverLimit("a pickle in it holds more than " + std::to_string(kMaxValues) + " values", "memory");
    }
    Spend(kValueBytes);
    stack_.push_back(value);
  }
  void PushInt(int64_t number) {
    Value value{Kind::kInt};
    value.number = number;
    Push(value);
  }
  // Values below the last mark belong to what is being built there.
  size_t Floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Value Pop() {
    if (stack_.size() <= Floor()) throw Malformed("takes a value that is not there");
    const Value value = stack_.back();
    stack_.pop_back();
    return value;
  }
  std::vector<Value> PopToMark() {
    if (marks_.empty()) throw Malformed("goes back to a mark that is not there");
    std::vector<Value> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  Value PopKind(Kind kind) {
    const Value value = Pop();
    if (value.kind != kind) throw Malformed("has a value of another kind than its use");
    return value;
  }

  Value Make(Kind kind) {
    Value value{kind};
    value.cell = &cells_.emplace_back();
    return value;
  }
  void Hold(Cell& owner, const Value& item) {
    uint64_t depth = 1, weight = 1;
    if (item.cell != nullptr) {
      if (item.cell == &owner) throw Malformed("has a value that holds itself");
      item.cell->held = true;
      depth += item.cell->depth;
      weight += item.cell->weight;
    }
    owner.depth = std::max(owner.depth, depth);
    owner.weight += weight;
    if (owner.depth > limits_.depth) {
      throw OverLimit("its values are nested more than " + std::to_string(limits_.depth) + " deep", "depth");
    }
    if (owner.weight > kMaxWeight) throw Malformed("has values that are shared too often");
  }
  void Fill(const Value& container, const std::vector<Value>& items, Kind kind) {
    if (container.kind != kind)
      throw Malformed("adds to what is no " + std::string(kind == Kind::kList ? "list" : "dict"));
    // Else what holds it would be deeper than was counted, or hold itself.
    if (container.cell->held) throw Malformed("changes a container that is part of another one");
    if (kind == Kind::kDict && items.size() % 2 != 0) throw Malformed("has a key without a value");
    for (const Value& item : items) Hold(*container.cell, item);
  }
  void PushTuple(std::vector<Value> items) {
    const Value tuple = Make(Kind::kTuple);
    for (const Value& item : items) Hold(*tuple.cell, item);
    tuple.cell->items = std::move(items);
    Push(tuple);
  }
  std::vector<Value> PopMany(int count) {
    std::vector<Value> items(count);
    for (int i = count - 1; i >= 0; i--) items[i] = Pop();
    return items;
  }

  void Put(uint64_t place) {
    if (stack_.size() <= Floor()) throw Malformed("remembers a value that is not there");
    if (place > memo_.size() + 1024) throw Malformed("numbers its values with gaps");
    if (place >= memo_.size()) memo_.resize(place + 1);
    memo_[place] = stack_.back();
  }
  void Get(uint64_t place) {
    if (place >= memo_.size() || !memo_[place]) throw Malformed("recalls a value that it has not remembered");
    Push(*memo_[place]);
  }

  const std::vector<Value>& Items(const Value& tuple, size_t least) const {
    if (tuple.kind != Kind::kTuple || tuple.cell->items.size() < least) {
      throw Malformed("calls a function with other arguments than it takes");
    }
    return tuple.cell->items;
  }
  std::vector<int64_t> Integers(const Value& tuple) const {
    std::vector<int64_t> numbers;
    for (const Value& item : Items(tuple, 0)) {
      if (item.kind != Kind::kInt) throw Malformed("has a tensor whose sizes are no whole numbers");
      numbers.push_back(item.number);
    }
    return numbers;
  }

  std::string_view pickle_;
  const StorageSize& storage_size_;
  const Limits& limits_;
  size_t at_ = 0;
  uint64_t memory_ = 0;
  uint64_t values_ = 0;
  std::vector<Value> stack_;
  std::vector<size_t> marks_;
  std::vector<std::optional<Value>> memo_;
  std::deque<Cell> cells_;
};

}  // namespace espalier::archive::pickle
