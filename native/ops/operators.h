#pragma once

#include <torch/library.h>

namespace espalier::ops {

// Add the CPU implementations to a library of the namespace `espalier`.
void RegisterCpuSteps(torch::Library& library);
void RegisterCpuNorms(torch::Library& library);
void RegisterCpuGrowth(torch::Library& library);

// Adds the implementations that are made of LibTorch's own operators, for all devices.
void RegisterFinite(torch::Library& library);

}  // namespace espalier::ops
