#pragma once

namespace espalier::script {

// Makes convolutions and what else LibTorch lacks run on tensors without memory. May be called again.
void RegisterShapeKernels();

}  // namespace espalier::script
