#include "binding/memory_limit.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <mutex>

#include "binding/errors.h"
#include "binding/values.h"

namespace espalier {
namespace {

// The rest is too small to look.
constexpr uint64_t kLookEvery = uint64_t{64} << 20;

uint64_t MachineBytes() {
  uint64_t bytes = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t group = 0;  // "max" without a limit
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> group) bytes = std::min(bytes, group);
  return bytes;
}

uint64_t ResidentBytes() {
  uint64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

std::atomic<uint64_t> limit{0};

// LibTorch's own allocator, asked with care.
class LimitedAllocator final : public c10::Allocator {
 public:
  explicit LimitedAllocator(c10::Allocator* inner) : inner_(inner) {}
  c10::DataPtr allocate(size_t size) override {
    static thread_local uint64_t since_look = 0;
    since_look += std::min<uint64_t>(size, kLookEvery);
    if (since_look >= kLookEvery) {
      const uint64_t resident = ResidentBytes();
      TORCH_CHECK(size <= limit && resident <= limit - size, "out of memory: ", size, " bytes are asked for, ",
                  resident, " are in use, and the limit is ", limit.load());
      since_look = 0;
    }
    return inner_->allocate(size);
  }
  c10::DeleterFnPtr raw_deleter() const override { return inner_->raw_deleter(); }
  bool is_simple_data_ptr(const c10::DataPtr& pointer) const override { return inner_->is_simple_data_ptr(pointer); }
  void copy_data(void* to, const void* from, std::size_t count) const override { inner_->copy_data(to, from, count); }

 private:
  c10::Allocator* const inner_;
};

Napi::Value SetMemoryLimit(const Napi::CallbackInfo& info) {
  limit = static_cast<uint64_t>(ToInteger(info[0], "bytes", 1, INT64_C(9007199254740991)));
  return info.Env().Undefined();
}

}  // namespace

void RegisterMemoryLimit(Napi::Env, Napi::Object exports) {
  static std::once_flag once;
  std::call_once(once, [] {
    limit = MachineBytes() / 10 * 9;
    c10::SetCPUAllocator(new LimitedAllocator(c10::GetCPUAllocator()));  // for as long as the process lives
  });
  Export<SetMemoryLimit>(exports, "setMemoryLimit");
}

}  // namespace espalier
