#pragma once

#include <ATen/CPUGeneratorImpl.h>

#include <cstdint>
#include <mutex>
#include <optional>

namespace espalier::script {

// A run of ours may draw random numbers; the user's sequence must not feel it. With a seed they are the same every
// time.
class KeepRandomState {
 public:
  explicit KeepRandomState(std::optional<uint64_t> seed = std::nullopt)
      : generator_(at::detail::getDefaultCPUGenerator()) {
    const std::lock_guard<std::mutex> lock(generator_.mutex());
    state_ = generator_.get_state();
    if (seed) generator_.set_current_seed(*seed);
  }
  ~KeepRandomState() {
    const std::lock_guard<std::mutex> lock(generator_.mutex());
    generator_.set_state(state_);
  }
  KeepRandomState(const KeepRandomState&) = delete;

 private:
  at::Generator generator_;
  at::Tensor state_;
};

}  // namespace espalier::script
