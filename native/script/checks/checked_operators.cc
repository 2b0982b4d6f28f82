// LibTorch's operators as programs call them, with a check before those that trust their arguments (unchecked.h).
//
// The check is in the operator, not in the graphs: it is there wherever a program runs, also where LibTorch runs it
// itself, which is while a file is loaded (constants are computed, __setstate__ is called).

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "script/checks/unchecked.h"

namespace espalier::script {

using torch::jit::Operation;
using torch::jit::Operator;
using torch::jit::Stack;

namespace {

// The operator does this from now on.
void Replace(Operator& op, const std::shared_ptr<const c10::FunctionSchema>& schema, Operation made) {
  if (op.isC10Op()) {
    const auto handle =
        c10::Dispatcher::singleton().findSchemaOrThrow(schema->name().c_str(), schema->overload_name().c_str());
    op = Operator(handle, std::move(made));
  } else {
    op = Operator(schema->name(), schema->overload_name(), schema->arguments(), schema->returns(), std::move(made),
                  schema->aliasAnalysis());
  }
}

void Put(Check check, Operator& op) {
  if (!op.hasOperation()) return;  // it makes one for each node
  // The operator's own schema goes with what is replaced.
  const auto schema = std::make_shared<const c10::FunctionSchema>(op.schema());
  Replace(op, schema, [schema, check, run = op.getOperation()](Stack& stack) mutable {
    check(Call(*schema, torch::jit::last(stack, schema->arguments().size())));
    run(stack);
  });
}

// What a sparse tensor is made of: a program that wrote to it would lead kernels anywhere. It gets a copy.
constexpr const char* kParts[] = {"aten::_indices",     "aten::indices",     "aten::_values",      "aten::values",
                                  "aten::crow_indices", "aten::col_indices", "aten::ccol_indices", "aten::row_indices"};

void PutCopy(Operator& op) {
  if (!op.hasOperation()) return;
  const auto schema = std::make_shared<const c10::FunctionSchema>(op.schema());
  Replace(op, schema, [run = op.getOperation()](Stack& stack) mutable {
    run(stack);
    if (stack.back().isTensor()) stack.back() = stack.back().toTensor().clone();
  });
}

// A dtype is a whole number for a program, and any number is an index into tables of dtypes.
bool IsDtype(const c10::Argument& argument) {
  const c10::TypePtr& real = argument.real_type();
  const auto optional = real->cast<c10::OptionalType>();
  const c10::TypePtr& type = optional ? optional->getElementType() : real;
  return type->kind() == c10::TypeKind::ScalarTypeType ||
         (type->kind() == c10::TypeKind::IntType && argument.name() == "dtype");
}

bool TakesDtypes(const c10::FunctionSchema& schema) {
  return std::any_of(schema.arguments().begin(), schema.arguments().end(), IsDtype);
}

void Dtypes(const Call& call) {
  const auto& arguments = call.Schema().arguments();
  for (size_t place = 0; place < arguments.size(); ++place) {
    if (!call.Place(place).isInt() || !IsDtype(arguments[place])) continue;
    const int64_t dtype = call.Place(place).toInt();
    TORCH_CHECK(dtype >= 0 && dtype < static_cast<int64_t>(c10::ScalarType::Undefined), call.Schema().name(), ": '",
                arguments[place].name(), "' is ", dtype, ", which is no dtype");
  }
}

bool TakesTensors(const c10::FunctionSchema& schema) {
  for (const c10::Argument& argument : schema.arguments()) {
    if (argument.type()->isSubtypeOf(*c10::TensorType::get())) return true;
  }
  return false;
}

struct Installation {
  Installation() {
    torch::jit::ensure_c10_registerer_defined();
    for (const auto& op : torch::jit::getAllOperators()) {
      if (TakesDtypes(op->schema())) Put(Dtypes, *op);
    }
    for (const Checks* checks : {&ChecksOfTensors(), &ChecksOfValues(), &ChecksOfInternals(), &ChecksOfNumbers()}) {
      for (const auto& [name, check] : *checks) {
        for (const auto& op : torch::jit::getAllOperatorsFor(c10::Symbol::fromQualString(name))) {
          // A name may stand for both: gcd of two integers, of two tensors.
          const bool of_numbers = checks == &ChecksOfNumbers();
          if (checks == &ChecksOfInternals() || TakesTensors(op->schema()) != of_numbers) Put(check, *op);
        }
      }
    }
    for (const char* name : kParts) {
      for (const auto& op : torch::jit::getAllOperatorsFor(c10::Symbol::fromQualString(name))) {
        if (TakesTensors(op->schema())) PutCopy(*op);
      }
    }
    // Sparse tensors are made of indices that nobody looks at otherwise.
    at::globalContext().setCheckSparseTensorInvariants(true);
  }
};

// When this library is loaded: before any program.
const Installation installation;

}  // namespace
}  // namespace espalier::script
