#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "script/graph/node_facts.h"

namespace espalier::script {

// The op record of lib/record/record.ts as plain C++ data. The meaning of every field is documented there.

using ValueId = int32_t;

struct Arg {
  ValueId id = -1;  // when it is no list
  bool list = false;
  std::vector<Arg> items;

  static Arg Of(ValueId id) { return Arg{id, false, {}}; }
  bool operator==(const Arg&) const = default;
};

enum class ValueKind { kTensor, kInt, kFloat, kBool, kString, kNone, kOther };

struct RecordValue {
  ValueKind kind = ValueKind::kOther;

  // Tensors.
  std::vector<int64_t> shape;
  const char* dtype = nullptr;
  const char* role = nullptr;
  std::vector<std::string> names;
  std::optional<std::vector<double>> data;
  bool replaced = false;

  // Scalars: the one that `kind` says.
  int64_t integer = 0;
  double real = 0;
  bool boolean = false;
  std::string text;
};

struct Op {
  int32_t node = 0;
  std::vector<Arg> inputs;
  std::vector<Arg> outputs;
  bool speculative = false;
  // No operator: which elements of a list or dict the program takes, or where it puts one, hangs on a number it
  // computes.
  bool choice = false;
};

struct SkippedBlock {
  int32_t node = 0;
  bool loop = false;
  const char* outcome = "failed";
  ValueId condition = -1;  // the flag of an `if`, the number of rounds of a loop
  std::vector<ValueId> reads;
  std::vector<Arg> taken;
  std::optional<std::vector<Arg>> skipped;  // when executed
};

struct Record {
  std::shared_ptr<const std::vector<NodeFacts>> facts;  // by node id
  std::vector<RecordValue> values;
  std::vector<Op> ops;
  std::vector<SkippedBlock> skipped;
  std::vector<Arg> inputs;
  Arg output;
  bool executed = true;  // else run on shapes alone

  struct Second {
    int64_t batch = 0;
    std::vector<ValueId> scalars;  // those that differ, with their values in `values`
    std::vector<ValueId> shapes;
    std::vector<RecordValue> scalar_values;
    std::vector<std::vector<int64_t>> shape_values;
  };
  std::optional<Second> second;
  std::string second_error;  // why there is no second run; empty when none was asked for
};

// The record as JSON text, in the form of lib/record/record.ts; its Maps are arrays of pairs.
std::string ToJson(const Record& record);

}  // namespace espalier::script
