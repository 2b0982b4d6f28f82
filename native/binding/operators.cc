// Any operator of LibTorch's dispatcher, by name: one now on the JS thread, or a program of several as one job.

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <napi.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <algorithm>
#include <memory>

#include "binding/addon.h"
#include "binding/values.h"

namespace espalier {
namespace {

// {result: k, item?: j}: the result of an earlier call of the program, or one item of it.
struct Reference {
  size_t argument;
  int64_t element;  // index in the argument when that is a list, else -1
  int64_t result;
  int64_t item;  // -1: the whole result
};

struct Call {
  explicit Call(c10::OperatorHandle op)
      : op(std::move(op)), checked(torch::jit::findOperatorFor(this->op.operator_name())) {}
  c10::OperatorHandle op;
  std::shared_ptr<torch::jit::Operator> checked;  // as programs call it, with its checks; null where they can not
  std::vector<c10::IValue> arguments;
  std::vector<Reference> references;
};

c10::OperatorHandle FindOperator(const std::string& name) {
  const size_t scope = name.find("::");
  if (scope == std::string::npos) {
    throw InvalidArgument("op: '" + name + "' is no operator name; they read like 'aten::mul.Tensor'");
  }
  const size_t dot = name.find('.', scope);
  const std::string base = name.substr(0, dot);
  const std::string overload = dot == std::string::npos ? "" : name.substr(dot + 1);
  auto& dispatcher = c10::Dispatcher::singleton();
  if (auto found = dispatcher.findSchema({base, overload})) return *found;
  std::string overloads;
  for (const c10::OperatorName& candidate : dispatcher.getAllOpNames()) {
    if (candidate.name != base) continue;
    overloads +=
        (overloads.empty() ? "" : ", ") + base + (candidate.overload_name.empty() ? "" : ".") + candidate.overload_name;
  }
  throw Failure("ERR_INVALID_ARGUMENT", "op: there is no operator '" + name + "'", "",
                overloads.empty() ? "" : "there are: " + overloads);
}

bool IsReference(Napi::Value value) {
  return value.IsObject() && !value.IsArray() && !IsHandle<NativeTensor>(value) &&
         value.As<Napi::Object>().Has("result");
}

Reference ToReference(Napi::Value value, size_t argument, int64_t element, int64_t calls_before) {
  Napi::Object object = value.As<Napi::Object>();
  Napi::Value item = object.Get("item");
  return {argument, element, ToInteger(object.Get("result"), "result", 0, calls_before - 1),
          item.IsUndefined() ? -1 : ToInteger(item, "item", 0, INT32_MAX)};
}

// A list argument in which some elements refer to results: the rest is converted, the references are filled in later.
c10::IValue ToListWithHoles(Napi::Array array, const c10::Argument& argument, size_t index, int64_t calls_before,
                            std::vector<Reference>& references) {
  auto list_type = argument.type()->cast<c10::ListType>();
  if (!list_type) throw InvalidArgument(argument.name() + ": expected " + argument.type()->annotation_str());
  c10::impl::GenericList list(list_type->getElementType());
  for (uint32_t i = 0; i < array.Length(); i++) {
    Napi::Value element = array[i];
    if (IsReference(element)) {
      references.push_back(ToReference(element, index, i, calls_before));
      list.push_back(c10::IValue());
    } else {
      list.push_back(ToIValue(element, list_type->getElementType(), argument.name()));
    }
  }
  return list;
}

// Checks and converts one call. `calls_before` is how many results it can refer to.
Call ToCall(Napi::Value name, Napi::Value given, int64_t calls_before) {
  const std::string op_name = ToText(name, "op");
  Call call(FindOperator(op_name));
  if (!given.IsArray()) throw InvalidArgument(op_name + ": args must be an array, not " + Describe(given));
  Napi::Array args = given.As<Napi::Array>();
  const c10::FunctionSchema& schema = call.op.schema();
  try {
    if (args.Length() > schema.arguments().size()) {
      throw InvalidArgument("takes at most " + std::to_string(schema.arguments().size()) + " arguments, not " +
                            std::to_string(args.Length()));
    }
    for (size_t i = 0; i < schema.arguments().size(); i++) {
      const c10::Argument& argument = schema.arguments()[i];
      Napi::Value value = i < args.Length() ? Napi::Value(args[i]) : name.Env().Undefined();
      if (value.IsUndefined() && argument.default_value()) {
        call.arguments.push_back(*argument.default_value());
      } else if (i >= args.Length()) {
        throw InvalidArgument("argument '" + argument.name() + "' is missing");
      } else if (IsReference(value)) {
        call.references.push_back(ToReference(value, i, -1, calls_before));
        call.arguments.emplace_back();
      } else if (value.IsArray() && [&] {
                   Napi::Array array = value.As<Napi::Array>();
                   for (uint32_t j = 0; j < array.Length(); j++) {
                     if (IsReference(array[j])) return true;
                   }
                   return false;
                 }()) {
        call.arguments.push_back(ToListWithHoles(value.As<Napi::Array>(), argument, i, calls_before, call.references));
      } else {
        call.arguments.push_back(ToIValue(value, argument));
      }
    }
  } catch (Failure& failure) {
    failure.message = op_name + ": " + failure.message;
    if (failure.detail.empty()) failure.detail = "schema: " + c10::toString(schema);
    throw;
  }
  return call;
}

c10::IValue Invoke(const Call& call, std::vector<c10::IValue> stack) {
  if (call.checked != nullptr) {
    call.checked->getOperation()(stack);
  } else {
    call.op.callBoxed(&stack);
  }
  if (stack.empty()) return {};
  if (stack.size() == 1) return std::move(stack.front());
  return c10::ivalue::Tuple::create(std::move(stack));
}

c10::IValue Resolve(const Reference& reference, const std::vector<c10::IValue>& results) {
  const c10::IValue& result = results[reference.result];
  if (reference.item < 0) return result;
  const std::string place = "result " + std::to_string(reference.result);
  c10::ArrayRef<c10::IValue> items;
  if (result.isTuple()) {
    items = result.toTupleRef().elements().asArrayRef();
  } else if (result.isList()) {
    items = result.toListRef();
  } else {
    throw InvalidArgument("item: " + place + " is a single value");
  }
  if (static_cast<size_t>(reference.item) >= items.size()) {
    throw InvalidArgument("item: " + place + " has " + std::to_string(items.size()) + " items, not " +
                          std::to_string(reference.item + 1));
  }
  return items[reference.item];
}

class Program {
 public:
  Program(Napi::Value program, Napi::Value returns) {
    if (!program.IsArray()) throw InvalidArgument("program must be an array of calls, not " + Describe(program));
    Napi::Array array = program.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); i++) {
      Napi::Value entry = array[i];
      if (!entry.IsObject()) throw InvalidArgument("program[" + std::to_string(i) + "] must be {op, args}");
      Napi::Object object = entry.As<Napi::Object>();
      calls_.push_back(ToCall(object.Get("op"), object.Get("args"), i));
    }
    const auto count = static_cast<int64_t>(calls_.size());
    if (returns.IsUndefined()) {
      for (int64_t i = 0; i < count; i++) returns_.push_back(i);
    } else {
      if (!returns.IsArray()) throw InvalidArgument("returns must be an array of call indices");
      Napi::Array wanted = returns.As<Napi::Array>();
      for (uint32_t i = 0; i < wanted.Length(); i++) returns_.push_back(ToInteger(wanted[i], "returns", 0, count - 1));
    }
    last_use_.assign(calls_.size(), -1);
    for (int64_t i = 0; i < count; i++) {
      for (const Reference& reference : calls_[i].references) last_use_[reference.result] = i;
    }
    for (int64_t kept : returns_) last_use_[kept] = count;
  }

  // Runs the calls in order; a result is freed after its last use.
  std::vector<c10::IValue> Run(const JobContext& context) {
    std::vector<c10::IValue> results(calls_.size());
    for (size_t i = 0; i < calls_.size(); i++) {
      context.ThrowIfCancelled();
      Call& call = calls_[i];
      Fill(call, results);
      results[i] = Invoke(call, std::move(call.arguments));
      call.arguments.clear();
      for (const Reference& reference : call.references) {
        if (last_use_[reference.result] == static_cast<int64_t>(i)) results[reference.result] = {};
      }
      if (last_use_[i] < 0) results[i] = {};
    }
    std::vector<c10::IValue> returned;
    for (int64_t index : returns_) returned.push_back(results[index]);
    return returned;
  }

 private:
  static void Fill(Call& call, const std::vector<c10::IValue>& results) {
    for (const Reference& reference : call.references) {
      const c10::Argument& argument = call.op.schema().arguments()[reference.argument];
      c10::TypePtr type = argument.type();
      if (reference.element >= 0) type = type->expectRef<c10::ListType>().getElementType();
      c10::IValue value = Resolve(reference, results);
      if (!value.type()->isSubtypeOf(*type)) {
        throw InvalidArgument(call.op.schema().name() + ": " + argument.name() + ": expected " +
                              type->annotation_str() + ", not " + value.type()->annotation_str());
      }
      if (reference.element >= 0) {
        call.arguments[reference.argument].toList().set(reference.element, std::move(value));
      } else {
        call.arguments[reference.argument] = std::move(value);
      }
    }
  }

  std::vector<Call> calls_;
  std::vector<int64_t> returns_;
  std::vector<int64_t> last_use_;  // -1: nobody wants the result
};

// call(op, args, grad)
Napi::Value CallOperator(const Napi::CallbackInfo& info) {
  Call call = ToCall(info[0], info[1], 0);
  at::AutoGradMode grad(ToFlag(info[2], "grad"));
  return FromIValue(info.Env(), Invoke(call, std::move(call.arguments)));
}

// run(program, job options, returns | undefined)
Napi::Value RunProgram(const Napi::CallbackInfo& info) {
  auto program = std::make_shared<Program>(info[0], info[2]);
  JobOptions options = JobOptions::From(info[1]);
  return Addon::Of(info.Env())
      .runner.Submit(info.Env(), options, [program](const JobContext& context) -> Runner::Settle {
        std::vector<c10::IValue> results = program->Run(context);
        return [results](Napi::Env env) {
          Napi::Array array = Napi::Array::New(env, results.size());
          for (size_t i = 0; i < results.size(); i++) array.Set(i, FromIValue(env, results[i]));
          return array;
        };
      });
}

}  // namespace

void RegisterOperators(Napi::Env, Napi::Object exports) {
  Export<CallOperator>(exports, "call");
  Export<RunProgram>(exports, "run");
}

}  // namespace espalier
