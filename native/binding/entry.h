#pragma once

#include <napi.h>

#include <vector>

#include "script/record/entry.h"

namespace espalier {

// `methods` beside `forward`: an array of [name, number of inputs that are given].
script::Entry ToEntry(const torch::jit::Module& module, const Napi::Value& methods);

// Of one array the inputs of all methods, with their defaults: those of `forward` first, which are all that the others
// leave.
std::vector<c10::IValue> ToInputs(const Napi::Value& inputs, const script::Entry& entry);

}  // namespace espalier
