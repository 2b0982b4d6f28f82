#pragma once

#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <string>
#include <vector>

#include "script/record/recorder.h"

namespace espalier::script {

// How a program is run to be recorded.
struct Way {
  bool shapes;  // on shapes alone, see Shapes
  bool grad;    // attention takes its open path only when something can have a gradient
};

// What a run works on: a copy of the module that the program may change at will, with the names of its tensors.
struct Stage {
  torch::jit::Module module;
  std::vector<Recorder::Owned> owners;
  Way way;
  at::Device device;
};

Stage StageFor(const torch::jit::Module& module, Way way);

// Throws RunFailure.
Record RunOn(const Stage& stage, const PreparedGraph& prepared, const std::vector<c10::IValue>& inputs,
             const std::function<void()>& check, Watch watch = {});

// The operator that failed and its scope, in brackets after a blank; empty when neither is known.
std::string Where(const RunFailure& failure);

}  // namespace espalier::script
