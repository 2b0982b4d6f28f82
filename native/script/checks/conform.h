#pragma once

#include <torch/csrc/jit/api/module.h>

#include <optional>
#include <string>

namespace espalier::script {

// The first attribute of a module, by its path, whose value is not of the type that the program was compiled for; none
// when all are. The file format keeps values and types apart, LibTorch does not compare them, and compiled code reads
// an object's slots by number.
std::optional<std::string> FindMisfit(const torch::jit::Module& module);

}  // namespace espalier::script
