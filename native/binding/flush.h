#pragma once

#include <ATen/Context.h>
#include <ATen/Parallel.h>

namespace espalier {

// Flush-to-zero is a state of each thread: it is set on the pool's threads too.
class FlushDenormals {
 public:
  explicit FlushDenormals(bool on) : on_(on) {
    if (on_) Set(true);
  }
  ~FlushDenormals() {
    if (on_) Set(false);
  }

 private:
  static void Set(bool on) {
    at::parallel_for(0, at::get_num_threads(), 1, [on](int64_t, int64_t) { at::globalContext().setFlushDenormal(on); });
    at::globalContext().setFlushDenormal(on);
  }
  bool on_;
};

}  // namespace espalier
