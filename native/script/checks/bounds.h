#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>

#include <vector>

namespace espalier::script {

// No text or list of a program may fill the memory: 64 million characters or elements are refused with ERR_LIMIT, those
// of a repetition (`[0] * n`) before it is made. Tensors are the allocator's business.
void RefuseRepetition(const c10::FunctionSchema& schema, const std::vector<c10::IValue>& inputs);
void RefuseHuge(const std::vector<c10::IValue>& results);

}  // namespace espalier::script
