#include "binding/deep_thread.h"

#include <exception>
#include <memory>
#include <system_error>
#include <utility>

namespace espalier {

DeepThread::DeepThread(std::function<void()> work) {
  auto held = std::make_unique<std::function<void()>>(std::move(work));
  const auto run = [](void* held) -> void* {
    (*std::unique_ptr<std::function<void()>>(static_cast<std::function<void()>*>(held)))();
    return nullptr;
  };
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kDeepStack);
  const int error = pthread_create(&thread_, &attributes, run, held.get());
  pthread_attr_destroy(&attributes);
  if (error != 0) throw std::system_error(error, std::generic_category(), "a thread can't be started");
  held.release();
  joinable_ = true;
}

DeepThread& DeepThread::operator=(DeepThread&& other) noexcept {
  if (joinable_) std::terminate();
  thread_ = other.thread_;
  joinable_ = std::exchange(other.joinable_, false);
  return *this;
}

DeepThread::~DeepThread() {
  if (joinable_) std::terminate();
}

void DeepThread::Join() {
  pthread_join(thread_, nullptr);
  joinable_ = false;
}

void DeepThread::Detach() {
  pthread_detach(thread_);
  joinable_ = false;
}

void OnDeepStack(const std::function<void()>& work) {
  std::exception_ptr failure;
  DeepThread thread([&] {
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
  });
  thread.Join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace espalier
