#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>

#include <vector>

namespace espalier::script {

// Throws where the kernels of an operator take no such dtypes: on shapes alone nobody else looks at them. What is
// refused here is run for real, and the operator itself has the last word.
void CheckDTypes(const c10::FunctionSchema& schema, const std::vector<c10::IValue>& stack);

}  // namespace espalier::script
