#include "script/module/debug_information.h"

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <vector>

namespace espalier::script {

using c10::IValue;

namespace {

constexpr const char* kWithTable = "FORMAT_WITH_STRING_TABLE";

at::ArrayRef<IValue> Elements(const IValue& tuple) { return tuple.toTupleRef().elements().asArrayRef(); }

class Reading {
 public:
  // (name of the format, texts, rows), or the rows alone.
  bool Whole(const IValue& value) {
    const auto parts = Elements(value);
    const bool with_table = !parts.empty() && parts[0].isString() && parts[0].toStringRef() == kWithTable;
    if (!with_table) return Rows(parts);
    if (parts.size() != 3) return false;
    for (const IValue& text : Elements(parts[1])) texts_.push_back(text.toStringRef().size());
    return Rows(Elements(parts[2]));
  }

 private:
  // (offset in the program, (source, start, end), perhaps a tag)
  bool Rows(at::ArrayRef<IValue> rows) const {
    return std::all_of(rows.begin(), rows.end(), [this](const IValue& value) {
      const auto row = Elements(value);
      if (row.size() != 2 && row.size() != 3) return false;
      const auto range = Elements(row[1]);
      if (range.size() != 3 || !row[0].isInt() || !range[1].isInt() || !range[2].isInt()) return false;
      const int64_t start = range[1].toInt(), end = range[2].toInt();
      return start >= 0 && start <= end && end <= SizeOf(range[0]);
    });
  }

  // The size of a source's text; below zero when it is none.
  int64_t SizeOf(const IValue& value) const {
    const auto source = Elements(value);
    if (source.size() != 3 || !source[2].isInt()) return -1;
    if (source[0].isString()) {
      const bool named = source[1].isString() || source[1].isNone();
      return named ? static_cast<int64_t>(source[0].toStringRef().size()) : -1;
    }
    if (!source[1].isInt() || !InTable(source[1].toInt())) return -1;
    int64_t size = 0;
    for (const int64_t text : source[0].toIntVector()) {
      if (!InTable(text)) return -1;
      size += static_cast<int64_t>(texts_[text]);
    }
    return size;
  }

  bool InTable(int64_t index) const { return index >= 0 && index < static_cast<int64_t>(texts_.size()); }

  std::vector<size_t> texts_;  // their sizes
};

}  // namespace

bool IsDebugInformation(std::string_view pickle) {
  try {
    return Reading().Whole(torch::jit::unpickle(pickle.data(), pickle.size()));
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace espalier::script
