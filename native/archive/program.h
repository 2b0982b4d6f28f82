#pragma once

#include <string_view>

#include "archive/limits.h"

namespace espalier::archive {

// Refuses TorchScript source (or a type's text) that is nested deeper than the limit: LibTorch's parser and compiler
// recurse on brackets, blocks and chains of operators, and overflow the stack. Throws Refusal.
void CheckProgram(std::string_view source, const Limits& limits);

}  // namespace espalier::archive
