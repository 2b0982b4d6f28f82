#pragma once

#include <torch/library.h>

namespace espalier::ops {

// Adds the CPU implementations to a library of the namespace `espalier`.
void RegisterCpu(torch::Library& library);

}  // namespace espalier::ops
