#pragma once

#include <torch/csrc/jit/api/module.h>

namespace espalier::script {

// Attributes that are declared as an interface are of the class of the module that is there from now on, so that flat
// code may read what is in it. For a module whose types are its own.
void MakeConcrete(torch::jit::Module& module);

}  // namespace espalier::script
