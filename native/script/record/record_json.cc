#include <cmath>
#include <cstdio>
#include <string_view>

#include "script/record/record.h"

// JSON, because one JSON.parse is several times faster than as many N-API calls, and a record can be written to a file.

namespace espalier::script {
namespace {

class Writer {
 public:
  std::string text;

  void Raw(std::string_view raw) { text += raw; }
  void Int(int64_t value) { text += std::to_string(value); }

  void Double(double value) {
    if (std::isnan(value)) {
      Raw("null");  // JSON has no NaN: `null` says that there is no plain form
    } else if (std::isinf(value)) {
      Raw(value > 0 ? "1e999" : "-1e999");  // JSON.parse makes it Infinity
    } else if (value == std::floor(value) && std::fabs(value) < 1e15) {
      Int(static_cast<int64_t>(value));
    } else {
      char buffer[32];
      std::snprintf(buffer, sizeof buffer, "%.17g", value);
      Raw(buffer);
    }
  }

  void String(std::string_view value) {
    text += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') {
        text += '\\';
        text += c;
      } else if (static_cast<unsigned char>(c) < 0x20) {
        char buffer[8];
        std::snprintf(buffer, sizeof buffer, "\\u%04x", c);
        Raw(buffer);
      } else {
        text += c;
      }
    }
    text += '"';
  }

  template <class Range, class Each>
  void List(const Range& range, Each each) {
    text += '[';
    bool first = true;
    for (const auto& item : range) {
      if (!first) text += ',';
      first = false;
      each(item);
    }
    text += ']';
  }

  void Key(std::string_view name) {
    if (text.back() != '{') text += ',';
    String(name);
    text += ':';
  }

  void Ints(const std::vector<int64_t>& values) {
    List(values, [this](int64_t v) { Int(v); });
  }
  void Strings(const std::vector<std::string>& values) {
    List(values, [this](const std::string& v) { String(v); });
  }
  void Argument(const Arg& arg) {
    if (arg.list) {
      Arguments(arg.items);
    } else {
      Int(arg.id);
    }
  }
  void Arguments(const std::vector<Arg>& args) {
    List(args, [this](const Arg& a) { Argument(a); });
  }

  // The value of a scalar.
  void Plain(const RecordValue& value) {
    switch (value.kind) {
      case ValueKind::kInt:
        return Int(value.integer);
      case ValueKind::kFloat:
        return Double(value.real);
      case ValueKind::kBool:
        return Raw(value.boolean ? "true" : "false");
      case ValueKind::kString:
        return String(value.text);
      case ValueKind::kTensor:
        return value.data && value.data->size() == 1 ? Double((*value.data)[0]) : Raw("null");
      default:
        return Raw("null");
    }
  }
};

const char* KindName(ValueKind kind) {
  switch (kind) {
    case ValueKind::kTensor:
      return "tensor";
    case ValueKind::kInt:
      return "int";
    case ValueKind::kFloat:
      return "float";
    case ValueKind::kBool:
      return "bool";
    case ValueKind::kString:
      return "string";
    case ValueKind::kNone:
      return "none";
    default:
      return "other";
  }
}

void WriteValue(Writer& out, const RecordValue& value) {
  out.Raw("{");
  out.Key("kind");
  out.String(KindName(value.kind));
  if (value.kind == ValueKind::kTensor) {
    out.Key("shape");
    out.Ints(value.shape);
    out.Key("dtype");
    out.String(value.dtype);
    if (value.role != nullptr) {
      out.Key("role");
      out.String(value.role);
    }
    if (!value.names.empty()) {
      out.Key("names");
      out.Strings(value.names);
    }
    if (value.data) {
      out.Key("data");
      out.List(*value.data, [&](double d) { out.Double(d); });
    }
    if (value.replaced) {
      out.Key("replaced");
      out.Raw("true");
    }
  } else {
    out.Key("value");
    out.Plain(value);
    if (value.role != nullptr) {
      out.Key("role");
      out.String(value.role);
    }
  }
  out.Raw("}");
}

void WriteOp(Writer& out, const Op& op, const NodeFacts& facts) {
  out.Raw("{");
  out.Key("name");
  out.String(op.choice ? "prim::Choose" : facts.name);
  out.Key("overload");
  out.String(op.choice ? "" : facts.overload);
  out.Key("argNames");
  // A write to a list is told without the list: its inputs have no names.
  const bool named = !op.choice && facts.arg_names.size() == op.inputs.size();
  out.Strings(named ? facts.arg_names : std::vector<std::string>{});
  out.Key("inputs");
  out.Arguments(op.inputs);
  out.Key("outputs");
  out.Arguments(op.outputs);
  out.Key("scope");
  out.String(facts.scope);
  out.Key("node");
  out.Int(op.node);
  out.Key("mutates");
  out.Raw(facts.mutates && !op.choice ? "true" : "false");
  if (facts.literal) {
    out.Key("literal");
    out.Raw("true");
  }
  out.Key("speculative");
  out.Raw(op.speculative ? "true" : "false");
  out.Raw("}");
}

void WriteSkipped(Writer& out, const SkippedBlock& block, const NodeFacts& facts) {
  out.Raw("{");
  out.Key("node");
  out.Int(block.node);
  out.Key("scope");
  out.String(facts.scope);
  out.Key("kind");
  out.String(block.loop ? "loop" : "if");
  out.Key("outcome");
  out.String(block.outcome);
  out.Key("condition");
  out.Int(block.condition);
  out.Key("reads");
  out.List(block.reads, [&](ValueId id) { out.Int(id); });
  out.Key("merges");
  out.Raw("[");
  for (size_t i = 0; i < block.taken.size(); ++i) {
    if (i > 0) out.Raw(",");
    out.Raw("{");
    out.Key("taken");
    out.Argument(block.taken[i]);
    if (block.skipped) {
      out.Key("skipped");
      out.Argument((*block.skipped)[i]);
    }
    out.Raw("}");
  }
  out.Raw("]}");
}

void WriteSecond(Writer& out, const Record::Second& second) {
  out.Raw("{");
  out.Key("batch");
  out.Int(second.batch);
  out.Key("scalars");
  out.Raw("[");
  for (size_t i = 0; i < second.scalars.size(); ++i) {
    if (i > 0) out.Raw(",");
    out.Raw("[");
    out.Int(second.scalars[i]);
    out.Raw(",");
    out.Plain(second.scalar_values[i]);
    out.Raw("]");
  }
  out.Raw("]");
  out.Key("shapes");
  out.Raw("[");
  for (size_t i = 0; i < second.shapes.size(); ++i) {
    if (i > 0) out.Raw(",");
    out.Raw("[");
    out.Int(second.shapes[i]);
    out.Raw(",");
    out.Ints(second.shape_values[i]);
    out.Raw("]");
  }
  out.Raw("]}");
}

}  // namespace

std::string ToJson(const Record& record) {
  Writer out;
  out.Raw("{");
  out.Key("values");
  out.List(record.values, [&](const RecordValue& v) { WriteValue(out, v); });
  out.Key("ops");
  out.List(record.ops, [&](const Op& op) { WriteOp(out, op, (*record.facts)[op.node]); });
  out.Key("skipped");
  out.List(record.skipped, [&](const SkippedBlock& b) { WriteSkipped(out, b, (*record.facts)[b.node]); });
  out.Key("inputs");
  out.Arguments(record.inputs);
  out.Key("executed");
  out.Raw(record.executed ? "true" : "false");
  out.Key("output");
  out.Argument(record.output);
  if (record.second) {
    out.Key("secondRun");
    WriteSecond(out, *record.second);
  } else if (!record.second_error.empty()) {
    out.Key("secondRunError");
    out.String(record.second_error);
  }
  out.Raw("}");
  return std::move(out.text);
}

}  // namespace espalier::script
