#pragma once

#include <unistd.h>

#include <cstring>
#include <string>

#include "binding/errors.h"

namespace espalier {

// A file descriptor that is closed with its scope; negative for none.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd(fd) {}
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int fd;
};

// "No such file or directory (ENOENT)".
inline std::string ErrorText(int error) {
  const char* name = strerrorname_np(error);
  return std::string(strerror(error)) + (name == nullptr ? "" : std::string(" (") + name + ")");
}

// The system would take the path to end there. Throws ERR_INVALID_ARGUMENT.
inline void RefuseNul(const std::string& path) {
  if (path.find('\0') != std::string::npos) throw InvalidArgument("a path can't hold the character NUL");
}

}  // namespace espalier
