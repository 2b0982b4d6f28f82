#pragma once

#include <pthread.h>

#include <condition_variable>
#include <mutex>

namespace espalier {

// What condition.wait(lock, holds) does. GCC 12 gave std::condition_variable::wait a version of its own
// (GLIBCXX_3.4.30), which the C++ library of RHEL 9 does not have; nothing else here needs one so new.
template <class Predicate>
void Wait(std::condition_variable& condition, std::unique_lock<std::mutex>& lock, Predicate holds) {
  while (!holds()) pthread_cond_wait(condition.native_handle(), lock.mutex()->native_handle());
}

}  // namespace espalier
