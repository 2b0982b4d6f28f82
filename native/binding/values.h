#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>
#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

namespace espalier {

// JavaScript value -> IValue of the given type. Tensors are handles (tensor.h); a number becomes an int, float or
// Scalar by the type; null and undefined are None; arrays become lists or tuples, Maps and plain objects become Dicts.
// For `Any` the shape of the value decides: arrays of tensors are List[Tensor], other arrays are tuples.
// Throws ERR_INVALID_ARGUMENT naming the argument and the value.
c10::IValue ToIValue(Napi::Value value, const c10::TypePtr& type, const std::string& argument);

// As above for an argument of a schema: also dtype, layout and memory format names ('float32', 'strided',
// 'channels_last'), and one number for a list of fixed length (kernel_size of 3 for int[2]).
c10::IValue ToIValue(Napi::Value value, const c10::Argument& argument);

// The inputs of a module's `forward` by its schema, defaults filled in, without self.
std::vector<c10::IValue> ToInputs(Napi::Array inputs, const c10::FunctionSchema& schema);

// IValue -> JavaScript value: tensor handle, number (bigint beyond 2^53), boolean, string, null, Array for lists and
// tuples, Map for dicts. Throws ERR_UNSUPPORTED for others. JS thread only.
Napi::Value FromIValue(Napi::Env env, const c10::IValue& value);

// A value for an error message: `-3`, `NaN`, `"abc"`, `an array of 3`, `a tensor`, `null`.
std::string Describe(Napi::Value value);

const char* DTypeName(c10::ScalarType type);                       // 'float32', 'int64', …; 'other' for the rest
c10::ScalarType ToDType(Napi::Value value, const char* argument);  // from its name
c10::Device ToDevice(Napi::Value value, const char* argument);     // 'cpu', 'cuda:0'

std::string ToText(Napi::Value value, const char* argument);
bool ToFlag(Napi::Value value, const char* argument);
// An integer of [low, high].
int64_t ToInteger(Napi::Value value, const char* argument, int64_t low, int64_t high);
// Sizes: an array of integers >= 0.
std::vector<int64_t> ToShape(Napi::Value value, const char* argument);

}  // namespace espalier
