#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace espalier {

class Runner;

// A function that native code calls. It belongs to what calls it (a tensor, a module, a graph of autograd) and ends
// with it, on any thread; the function itself stays with the environment.
class Hook {
 public:
  // The functions of hooks that have ended, to be let go of on the JS thread.
  struct Ended {
    std::mutex mutex;
    std::vector<uint64_t> numbers;  // guarded by mutex
  };

  Hook(uint64_t number, std::shared_ptr<Ended> ended) : number(number), ended_(std::move(ended)) {}
  ~Hook() {
    std::lock_guard lock(ended_->mutex);
    ended_->numbers.push_back(number);
  }
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;

  const uint64_t number;
  std::atomic<bool> active{true};

 private:
  const std::shared_ptr<Ended> ended_;
};

// The functions of one environment's hooks, by number. JS thread only.
class HookFunctions {
 public:
  std::shared_ptr<Hook> Add(Napi::Function function);
  // None when it was removed.
  const Napi::FunctionReference* Find(uint64_t number) const;
  void Erase(uint64_t number) { functions_.erase(number); }

 private:
  const std::shared_ptr<Hook::Ended> ended_ = std::make_shared<Hook::Ended>();
  std::unordered_map<uint64_t, Napi::FunctionReference> functions_;
  uint64_t count_ = 0;
};

// Calls the function of the hook on the JS thread and waits for it; `arguments` makes what it is called with, `take`
// gets what it gives, unless that is undefined: both run on the JS thread. Nothing happens for a hook that was removed.
// What the function throws is thrown here.
void CallHook(Runner& runner, const Hook& hook, std::function<std::vector<napi_value>(Napi::Env)> arguments,
              std::function<void(Napi::Value)> take);

// Calls the function with the gradient, and whatever else, in every backward pass; see CallHook.
void HookGradient(std::shared_ptr<Runner> runner, const at::Tensor& tensor, std::shared_ptr<Hook> hook, int64_t place);

// A handle of the hook in JavaScript's hands. It doesn't keep the hook.
Napi::Object WrapHook(Napi::Env env, const std::shared_ptr<Hook>& hook);

void RegisterHooks(Napi::Env env, Napi::Object exports);

}  // namespace espalier
