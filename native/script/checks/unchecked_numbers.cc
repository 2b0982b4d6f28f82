// Operators on numbers, texts and lists, which only the interpreter knows.

#include <cstdint>
#include <limits>

#include "script/checks/unchecked.h"

namespace espalier::script {

using c10::IValue;

namespace {

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

void RefuseDivision(const IValue& a, const IValue& b) {
  if (!a.isInt() || !b.isInt()) return;
  TORCH_CHECK(b.toInt() != 0, "integer division or modulo by zero");
  // The quotient is one more than the largest integer.
  TORCH_CHECK(a.toInt() != kLeast || b.toInt() != -1, "integer division of ", kLeast,
              " by -1: the result is too large");
}

// The processor itself ends the process in these cases.
void Division(const Call& call) { RefuseDivision(call.Place(0), call.Place(1)); }

// Zero is allowed.
void CommonDivisor(const Call& call) {
  const IValue &a = call.Place(0), &b = call.Place(1);
  if (!a.isInt() || !b.isInt()) return;
  if (b.toInt() == -1) RefuseDivision(a, b);
  if (a.toInt() == -1) RefuseDivision(b, a);
}

// An empty text is found without end.
void Search(const Call& call) {
  if (!call.Place(1).isString()) return;  // of a list, or none
  TORCH_CHECK(!call.Place(1).toStringRef().empty(), call.Schema().name(), ": '", call.Schema().arguments().at(1).name(),
              "' is empty");
}

constexpr int64_t kMaxWidth = int64_t{1} << 26;  // as many characters as a text may have (bounds.h)

// Characters are added one by one until the text is that wide.
void Width(const Call& call) {
  const int64_t width = call.Place(1).toInt();
  TORCH_CHECK(width >= 0 && width <= kMaxWidth, call.Schema().name(), ": '", call.Schema().arguments().at(1).name(),
              "' must be from 0 to ", kMaxWidth, ", not ", width);
}

// Which sizes remain after a reduction.
void Reduction(const Call& call) {
  const int64_t dims = static_cast<int64_t>(call.Place(0).toListRef().size());
  for (const IValue& axis : call.Place(1).toListRef()) {
    TORCH_CHECK(axis.toInt() >= -dims && axis.toInt() < dims, call.Schema().name(), ": dimension ", axis.toInt(),
                " of ", dims);
  }
}

}  // namespace

const Checks& ChecksOfNumbers() {
  static const auto* checks = new Checks{
      {"aten::floordiv", Division}, {"aten::remainder", Division},
      {"aten::divmod", Division},   {"aten::__round_to_zero_floordiv", Division},
      {"aten::gcd", CommonDivisor}, {"aten::count", Search},
      {"aten::replace", Search},    {"aten::rsplit", Search},
      {"aten::center", Width},      {"aten::ljust", Width},
      {"aten::rjust", Width},       {"aten::zfill", Width},
      {"aten::expandtabs", Width},  {"prim::ReductionSizes", Reduction},
  };
  return *checks;
}

}  // namespace espalier::script
