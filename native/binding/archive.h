#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace caffe2::serialize {
class ReadAdapterInterface;
}

namespace espalier {

// The bytes of a file. Throws ERR_MODEL_FILE with the system's reason.
std::string ReadModelFile(const std::string& path);

// A reader over bytes that LibTorch can load from. Checks first that they are a whole TorchScript archive and that
// every record has its checksum: LibTorch itself does not, and parses damaged records. Throws ERR_MODEL_FILE; `name` is
// the file's name in the message.
std::shared_ptr<caffe2::serialize::ReadAdapterInterface> OpenArchive(std::string bytes, const std::string& name);

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
