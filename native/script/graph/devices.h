#pragma once

#include <torch/csrc/jit/api/module.h>

namespace espalier::script {

// A program names the device on which it was written down: `torch.arange(n, device="cuda:0")`. Each such constant other
// than the CPU becomes the device of a parameter of its module, or else of a tensor that its function is given, so that
// the program runs wherever the module is, in Python too. What knows neither gets the device where the module is now.
// In place: for a module that nobody has run yet.
void FollowDevice(torch::jit::Module& module);

// What a move of a module's tensors leaves behind: constants of the program go to the device, and a program that was
// traced on the CPU names that on every range and mask, which follow the module now, too. In place, as above.
void MoveProgram(torch::jit::Module& module, c10::Device device);

}  // namespace espalier::script
