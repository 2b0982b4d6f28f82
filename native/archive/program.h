#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "archive/definitions.h"
#include "archive/limits.h"

namespace espalier::archive {

// Refuses TorchScript source (or a type's text) that is nested deeper than the limit: LibTorch's parser and compiler
// recurse on brackets, blocks and chains of operators, and overflow the stack. Throws Refusal.
void CheckProgram(std::string_view source, const Limits& limits);

// The same, and the classes and functions of the source. `module` is its qualified name.
std::vector<Definition> ReadDefinitions(std::string_view source, std::string_view module, const Limits& limits);

}  // namespace espalier::archive
