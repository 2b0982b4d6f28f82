#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace caffe2::serialize {
class ReadAdapterInterface;
}

namespace espalier {

// What an archive is expected to be, and what is said when it isn't.
struct ArchiveKind {
  const char* code;
  const char* noun;
  std::vector<const char*> records;  // that it must have: the starts of their names
  const char* missing;               // what it is without them
  const char* hint;                  // how such a file is made
};
extern const ArchiveKind kModelArchive;       // ERR_MODEL_FILE
extern const ArchiveKind kCheckpointArchive;  // ERR_CHECKPOINT

// The bytes of a file. Throws the kind's error with the system's reason.
std::string ReadFile(const std::string& path, const ArchiveKind& kind);

// A reader over bytes that LibTorch can load from. Checks first that they are a whole archive of the kind and that
// every record has its checksum: LibTorch itself does not, and parses damaged records. Throws the kind's error; `name`
// is the file's name in the message.
std::shared_ptr<caffe2::serialize::ReadAdapterInterface> OpenArchive(std::string bytes, const std::string& name,
                                                                     const ArchiveKind& kind = kModelArchive);

// A file that appears under its name whole or not at all: written beside it under another name, synced, renamed.
class AtomicFile {
 public:
  // Throws ERR_WRITE, as Commit does.
  explicit AtomicFile(std::string path);
  ~AtomicFile();  // removes what was not committed
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Never fails: LibTorch's zip writer would throw from its destructor. Commit reports the first error.
  void Write(const void* data, size_t size) noexcept;
  void Commit();

 private:
  void Fail(int error) const;
  std::string path_;
  std::string temporary_;
  int file_ = -1;
  int error_ = 0;
};

}  // namespace espalier
