#include "script/record/attempt.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "script/record/random_state.h"
#include "script/record/shape_kernels.h"
#include "script/record/stage.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Module;

namespace {

const char* const kFloats[] = {"float64", "float32", "float16", "bfloat16"};

// From the most precise on; none for other dtypes.
std::optional<size_t> Coarseness(const RecordValue& value) {
  for (size_t i = 0; i < std::size(kFloats); ++i) {
    if (value.dtype != nullptr && std::string_view(value.dtype) == kFloats[i]) return i;
  }
  return std::nullopt;
}

void ForEachFloat(const std::vector<Arg>& args, const Record& record, const std::function<void(size_t)>& visit) {
  for (const Arg& arg : args) {
    if (arg.list) {
      ForEachFloat(arg.items, record, visit);
    } else if (const auto coarseness = Coarseness(record.values[arg.id])) {
      visit(*coarseness);
    }
  }
}

const char* Narrowed(const Record& record) {
  size_t worst = 0;
  for (const Op& op : record.ops) {
    size_t finest = std::size(kFloats);
    ForEachFloat(op.inputs, record, [&](size_t each) { finest = std::min(finest, each); });
    ForEachFloat(op.outputs, record, [&](size_t each) {
      if (each > finest) worst = std::max(worst, each);
    });
  }
  return worst == 0 ? nullptr : kFloats[worst];
}

}  // namespace

std::optional<Course> CourseOn(const Module& module, const Recording& recording, const std::vector<IValue>& inputs,
                               const std::function<void()>& check) {
  RegisterShapeKernels();
  const KeepRandomState random;
  try {
    const Record record = RunOn(StageFor(module, {true, recording.grad}), *recording.prepared, inputs, check);
    Course course;
    for (const SkippedBlock& block : record.skipped) {
      const RecordValue& condition = record.values[block.condition];
      if (!block.loop && condition.kind == ValueKind::kBool) course.turns.emplace_back(block.node, condition.boolean);
    }
    course.narrowed = Narrowed(record);
    return course;
  } catch (const RunFailure&) {
    return std::nullopt;
  }
}

void TryRun(const Module& module, const PreparedGraph& prepared, const std::vector<IValue>& inputs, bool grad,
            const std::function<void()>& check) {
  const KeepRandomState random;
  RunOn(StageFor(module, {false, grad}), prepared, inputs, check);
}

}  // namespace espalier::script
