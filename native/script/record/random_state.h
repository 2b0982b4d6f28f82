#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace espalier::script {

// Those that operators draw from when they are given none, by device: `cpu`, `cuda:0`, …
inline std::map<std::string, at::Generator> DefaultGenerators() {
  std::map<std::string, at::Generator> generators{{"cpu", at::detail::getDefaultCPUGenerator()}};
  if (const auto accelerator = at::accelerator::getAccelerator()) {
    for (c10::DeviceIndex index = 0; index < at::accelerator::deviceCount(); index++) {
      const c10::Device device(*accelerator, index);
      generators.emplace(device.str(), at::globalContext().defaultGenerator(device));
    }
  }
  return generators;
}

// A run of ours may draw random numbers; the user's sequence must not feel it. With a seed they are the same every
// time.
class KeepRandomState {
 public:
  explicit KeepRandomState(std::optional<uint64_t> seed = std::nullopt) {
    for (auto& [_, generator] : DefaultGenerators()) {
      const std::lock_guard<std::mutex> lock(generator.mutex());
      kept_.emplace_back(generator, generator.get_state());
      if (seed) generator.set_current_seed(*seed);
    }
  }
  ~KeepRandomState() {
    for (auto each = kept_.rbegin(); each != kept_.rend(); ++each) {
      const std::lock_guard<std::mutex> lock(each->first.mutex());
      each->first.set_state(each->second);
    }
  }
  KeepRandomState(const KeepRandomState&) = delete;

 private:
  std::vector<std::pair<at::Generator, at::Tensor>> kept_;
};

}  // namespace espalier::script
