#pragma once

#include <string>

namespace espalier::script {

// Whether LibTorch's text says that memory was missing: no fault of a file, a program or its inputs. By its words,
// since the interpreter passes nothing else on.
bool IsOutOfMemory(const std::string& text);

}  // namespace espalier::script
