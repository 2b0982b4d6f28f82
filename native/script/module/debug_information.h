#pragma once

#include <string_view>

namespace espalier::script {

// Whether a pickle holds the places of a program's lines in their original sources, in a form that LibTorch can read:
// it looks at them late, in the middle of something else, and takes numbers in them on trust. The pickle itself has
// been checked (archive/pickle.h).
bool IsDebugInformation(std::string_view pickle);

}  // namespace espalier::script
