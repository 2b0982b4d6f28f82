#pragma once

#include <pthread.h>

#include <cstddef>
#include <functional>

namespace espalier {

// Compiling a program recurses on whatever is nested in it. What the archive reader lets pass needs at most half of
// this (archive/definitions.cc); only what is touched takes memory.
constexpr size_t kDeepStack = size_t{256} << 20;

// A thread with such a stack. As std::thread: join or detach it.
class DeepThread {
 public:
  DeepThread() = default;
  explicit DeepThread(std::function<void()> work);  // throws std::system_error
  DeepThread(DeepThread&& other) noexcept { *this = std::move(other); }
  DeepThread& operator=(DeepThread&& other) noexcept;
  ~DeepThread();

  bool Joinable() const { return joinable_; }
  bool IsThis() const { return joinable_ && pthread_equal(thread_, pthread_self()) != 0; }
  void Join();
  void Detach();

 private:
  pthread_t thread_{};
  bool joinable_ = false;
};

// Runs `work` on such a thread, waits for it, and throws what it throws.
void OnDeepStack(const std::function<void()>& work);

}  // namespace espalier
