#pragma once

#include <cstddef>
#include <string>

namespace espalier {

// A file that appears under its name whole or not at all: written beside it under another name, synced, renamed. The
// rule is that of lib/files.ts, which writes the texts: a link is written through, an older file's permissions stay,
// only regular files are replaced, and what a killed writer left is removed.
class AtomicFile {
 public:
  // Throws ERR_WRITE, as Commit does.
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();  // removes what was not committed
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Never fails: LibTorch's zip writer would throw from its destructor. Commit reports the first error.
  void Write(const void* data, size_t size) noexcept;
  void Commit();

 private:
  [[noreturn]] void Fail(int error) const;
  void FollowLinks();
  void RemoveLeftovers(const std::string& stem) const;
  std::string path_;    // as it was given
  std::string folder_;  // of the file that is replaced, with the slash
  std::string base_;    // its name
  std::string temporary_;
  int file_ = -1;
  int error_ = 0;
};

}  // namespace espalier
