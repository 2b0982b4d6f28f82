#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>

#include <vector>

namespace espalier::script {

// Some kernels of LibTorch read and write out of bounds where the sizes of their arguments don't fit together. Refuses
// such a call, before it runs.
bool NeedsCheck(const c10::FunctionSchema& schema);
void CheckSizes(const c10::FunctionSchema& schema, const std::vector<c10::IValue>& arguments);

}  // namespace espalier::script
