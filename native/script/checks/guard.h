#pragma once

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/ir/ir.h>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

namespace espalier::script {

// What a running graph asks: the interpreter of LibTorch can't be stopped from outside. On any thread: a program can
// fork.
class Guard final : public torch::CustomClassHolder {
 public:
  using Check = std::function<void()>;

  // `check` throws to end the program. It is asked until the next one is set: what was forked may run longer than the
  // run that forked it.
  void Set(Check check) { check_.store(std::make_shared<const Check>(std::move(check))); }
  void Ask() const {
    if (const auto check = check_.load()) (*check)();
  }

 private:
  std::atomic<std::shared_ptr<const Check>> check_;
};

// For a graph that is about to become code and is seen by nobody else: the guard is asked at each round of each loop.
// Calls within what is forked are inlined.
void AddGuards(torch::jit::Graph& graph, const c10::intrusive_ptr<Guard>& guard);

}  // namespace espalier::script
