#pragma once

#include <memory>
#include <utility>

#include "binding/handle.h"
#include "script/record/recording.h"

namespace espalier {

// The graph and inputs of one recorded run, kept for surgery.
class NativeRecording {
 public:
  static constexpr napi_type_tag kTag = {0x51f0a8c2d94e4b3b, 0xb7d26e1c03a9f845};
  static constexpr const char* kNoun = "recording";

  explicit NativeRecording(std::shared_ptr<const script::Recording> recording) : recording_(std::move(recording)) {}
  const std::shared_ptr<const script::Recording>& recording() const { return recording_; }

 private:
  std::shared_ptr<const script::Recording> recording_;
};

}  // namespace espalier
