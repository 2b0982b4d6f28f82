#include "script/checks/bounds.h"

#include <ATen/core/List.h>

#include "script/error.h"

namespace espalier::script {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 26;

int64_t SizeOf(const c10::IValue& value) {
  if (value.isString()) return static_cast<int64_t>(value.toStringRef().size());
  return value.isList() ? static_cast<int64_t>(value.toListRef().size()) : 0;
}

Error TooLarge() { return Error("ERR_LIMIT", "The model makes a text or a list of more than 67,108,864 elements"); }

}  // namespace

void RefuseRepetition(const c10::FunctionSchema& schema, const std::vector<c10::IValue>& inputs) {
  if (schema.name() != "aten::mul" || inputs.size() != 2) return;
  for (const int list : {0, 1}) {
    const int64_t size = SizeOf(inputs[list]);
    if (size > 0 && inputs[1 - list].isInt() && inputs[1 - list].toInt() > kMaxElements / size) throw TooLarge();
  }
}

void RefuseHuge(const std::vector<c10::IValue>& results) {
  for (const c10::IValue& result : results) {
    if (SizeOf(result) > kMaxElements) throw TooLarge();
  }
}

}  // namespace espalier::script
