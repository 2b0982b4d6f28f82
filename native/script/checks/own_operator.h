#pragma once

#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include <cstdint>
#include <string>

namespace espalier::script {

using OperatorMaker = torch::jit::Operation (*)(const torch::jit::Node*);

// An operator of this library, to be put into a graph. A process may hold two copies of the library: each has its own.
inline c10::Symbol OwnOperator(const std::string& name, OperatorMaker make) {
  const auto kind =
      c10::Symbol::fromQualString("espalier::" + name + "_" + std::to_string(reinterpret_cast<uintptr_t>(make)));
  // It may do anything: no pass drops it or moves it.
  torch::jit::registerOperator(torch::jit::Operator(kind, make, c10::AliasAnalysisKind::CONSERVATIVE));
  return kind;
}

}  // namespace espalier::script
