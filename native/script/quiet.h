#pragma once

#include <c10/util/Exception.h>

namespace espalier::script {

// While one lives, what a TorchScript program prints or warns of on this thread is dropped: such a run is none of the
// user's.
class Quiet {
 public:
  Quiet();
  ~Quiet();
  Quiet(const Quiet&) = delete;

 private:
  const bool before_;
  const c10::WarningUtils::WarningHandlerGuard warnings_;
};

}  // namespace espalier::script
