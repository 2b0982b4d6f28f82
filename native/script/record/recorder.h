#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "script/graph/prepare.h"
#include "script/record/record.h"
#include "script/record/shapes.h"
#include "script/record/values.h"

namespace espalier::script {

// An operator failed while the graph ran.
struct RunFailure : std::exception {
  const char* what() const noexcept override { return message.c_str(); }
  const torch::jit::Node* node = nullptr;
  bool raised = false;  // by the program itself (an assertion), not by LibTorch
  std::string message;  // first line
  std::string detail;
};

// Sees the operators of a run, those of branches not taken excepted.
struct Watch {
  std::function<void(int32_t node, const std::vector<c10::IValue>& inputs)> before;
  std::function<void(size_t op, const std::vector<c10::IValue>& results)> after;  // `op`: its place in the record
};

// A branch not taken, or what it does, is given up.
struct SpeculationTooLong : std::exception {};

// Runs a prepared graph operator by operator and writes the record. One object records one run.
class Recorder {
 public:
  // `shapes`: run on shapes alone. `check` is called now and then and throws to stop the run.
  Recorder(const PreparedGraph& prepared, std::optional<Shapes> shapes, std::function<void()> check, Watch watch = {});

  // The module is changed as the program changes it: give a copy. `inputs` without self, by the schema of `forward`.
  // `owners`: the module's tensors by name in state_dict order; names that are one tensor share an entry.
  struct Owned {
    std::vector<std::string> names;
    const char* role;
    std::vector<at::Tensor> tensors;
  };
  Record Run(const torch::jit::Module& module, const std::vector<Owned>& owners, std::vector<c10::IValue> inputs);

 private:
  using Env = std::unordered_map<const torch::jit::Value*, Slot>;
  using AttributeKey = std::pair<int64_t, size_t>;

  // A run whose writes must not be seen: the other side of a branch.
  struct Speculation {
    ValueTable::Copies copies;
    std::map<AttributeKey, Slot> written;
  };
  struct Snapshot {
    Env env;
    Speculation speculation;
  };

  // A list or dict from outside that a block may write to, with what it held before.
  struct Written {
    const torch::jit::Value* value;
    Slot slot;
    Arg content;
  };

  void RunBlock(const torch::jit::Block* block, Env& env);
  void Step(torch::jit::Node* node, Env& env);
  void Dispatch(torch::jit::Node* node, Env& env);
  void Constant(torch::jit::Node* node, Env& env);
  void GetAttr(torch::jit::Node* node, Env& env);
  // What an attribute holds now; `value` is what it holds outside of speculation.
  Slot Held(const AttributeKey& key, const std::string& name, const c10::IValue& value);
  // Whether a method sets or writes into an attribute of this name, or into the list that holds it.
  bool IsWritten(const std::string& name) const;
  // Another run may find other numbers there.
  void MarkState(const Arg& arg);
  // Another run may find more elements there, or fewer.
  void MarkKept(const c10::IValue& value);
  void SetAttr(torch::jit::Node* node, Env& env);
  void If(torch::jit::Node* node, Env& env);
  void Loop(torch::jit::Node* node, Env& env);
  // It builds or takes apart a container.
  static bool IsStructure(const torch::jit::Node* node);
  // It only moves elements of containers about, whatever they are: append, slice, +, __getitem__ …
  static bool MovesElements(const c10::FunctionSchema& schema);
  void Structure(torch::jit::Node* node, Env& env);
  void Choice(torch::jit::Node* node, Env& env);
  void Elements(torch::jit::Node* node, Env& env);
  void Operator(torch::jit::Node* node, Env& env);

  std::vector<c10::IValue> Execute(torch::jit::Node* node, std::vector<c10::IValue> stack);
  const std::vector<const torch::jit::Value*>& Captures(const torch::jit::Block* block);
  std::vector<Written> Outer(const torch::jit::Block* block, Env& env);
  // The numbers in the slot are values of their own from here on, which `op` makes of what they were.
  void Renew(Slot& slot, Op& op);
  std::vector<ValueId> Reads(const torch::jit::Block* block, Env& env);
  std::unique_ptr<Snapshot> Capture(const torch::jit::Block* block, Env& env);
  void Skip(torch::jit::Node* node, const torch::jit::Block* block, SkippedBlock entry,
            std::unique_ptr<Snapshot> snapshot, std::vector<Written> written);
  void AddOp(Op op);
  const NodeFacts& Facts(const torch::jit::Node* node) const;
  int32_t Id(const torch::jit::Node* node) const;
  Slot& At(Env& env, const torch::jit::Value* value);

  const PreparedGraph& prepared_;
  std::optional<Shapes> shapes_;
  std::function<void()> check_;
  Watch watch_;
  Record record_;
  ValueTable values_{record_};
  torch::jit::Module module_;
  std::unordered_map<const torch::jit::Node*, Slot> constants_;
  std::unordered_map<const torch::jit::Node*, torch::jit::Operation> operations_;
  std::unordered_map<const torch::jit::Node*, torch::jit::Code> codes_;
  std::unordered_map<const torch::jit::Block*, std::vector<const torch::jit::Value*>> captures_;
  std::unordered_map<const torch::jit::Block*, bool> writes_;  // to lists or dicts
  std::map<AttributeKey, Slot> attributes_;
  std::set<int64_t> kept_;  // identities of lists and dicts whose lengths are state
  Speculation* speculation_ = nullptr;
  int64_t steps_ = 0;
  int64_t speculative_steps_ = 0;
};

}  // namespace espalier::script
