#include "binding/archive.h"

#include <caffe2/serialize/inline_container.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>
#include <vector>

#include "archive/check.h"
#include "archive/refusal.h"
#include "archive/zip.h"
#include "binding/descriptor.h"
#include "binding/errors.h"
#include "binding/values.h"
#include "script/checks/out_of_memory.h"
#include "script/module/debug_information.h"

namespace espalier {
namespace {

class BytesReader : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit BytesReader(std::string bytes) : bytes_(std::move(bytes)) {}
  size_t size() const override { return bytes_.size(); }
  size_t read(uint64_t pos, void* buf, size_t n, const char*) const override {
    if (pos >= bytes_.size()) return 0;
    n = std::min<size_t>(n, bytes_.size() - pos);
    std::memcpy(buf, bytes_.data() + pos, n);
    return n;
  }
  std::string_view view() const { return bytes_; }
  // LibTorch finds no entry of that name any more.
  void Hide(const archive::Entry& entry) {
    const size_t end = static_cast<size_t>(entry.name.data() - bytes_.data()) + entry.name.size();
    bytes_[end - 1] = '_';
  }

 private:
  std::string bytes_;
};

// Of small models, too: a program makes tensors of its own when it is loaded.
constexpr uint64_t kLeastMemory = uint64_t{4} << 30;

Failure Unreadable(const ArchiveKind& kind, const std::string& name, const std::string& what, const std::string& hint) {
  return Failure(kind.code, name + ": " + what, "", hint);
}

std::string_view BelowRoot(const std::vector<archive::Entry>& entries, const archive::Entry& entry) {
  const std::string_view root = archive::Root(entries);
  return entry.name.substr(0, root.size()) == root ? entry.name.substr(root.size()) : std::string_view();
}

// LibTorch reads the table of contents once more, with a reader of its own: what was checked is what it will see.
void MustAgree(caffe2::serialize::PyTorchStreamReader& reader, const std::vector<archive::Entry>& entries) {
  for (const archive::Entry& entry : entries) {
    const std::string name(BelowRoot(entries, entry));
    if (name.empty()) continue;
    if (!reader.hasRecord(name) || reader.getRecordOffset(name) != entry.start ||
        reader.getRecordSize(name) != entry.size) {
      throw archive::Damaged("its table of contents can be read in two ways");
    }
  }
}

}  // namespace

const ArchiveKind kModelArchive = {
    "ERR_MODEL_FILE",
    "a TorchScript archive",
    {"constants.pkl", "code/", "data.pkl"},
    "an archive without a TorchScript program; torch.save writes such files",
    "save it in Python with torch.jit.script(model).save(path) or torch.jit.trace(model, x).save(path)"};

const ArchiveKind kCheckpointArchive = {"ERR_CHECKPOINT",
                                        "a checkpoint",
                                        {"data.pkl"},
                                        "an archive without a checkpoint's data",
                                        "give the path of a checkpoint that this package wrote"};

archive::Limits ToLimits(Napi::Value value) {
  archive::Limits limits;
  if (value.IsUndefined()) return limits;
  if (!value.IsObject()) throw InvalidArgument("limits must be an object, not " + Describe(value));
  const Napi::Object given = value.As<Napi::Object>();
  const auto take = [&](const char* key, uint64_t& limit) {
    const Napi::Value number = given.Get(key);
    if (!number.IsUndefined()) limit = static_cast<uint64_t>(ToInteger(number, key, 1, int64_t{1} << 53));
  };
  take("entries", limits.entries);
  take("inflated", limits.inflated);
  take("memory", limits.memory);
  take("depth", limits.depth);
  return limits;
}

std::string ReadFile(const std::string& path, const ArchiveKind& kind) {
  RefuseNul(path);
  const auto fail = [&](int error) { return Unreadable(kind, path, "can't be read: " + ErrorText(error), kind.hint); };
  // Not blocking: opening a FIFO would wait for a writer.
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) throw fail(errno);
  struct stat info;
  if (fstat(file.fd, &info) != 0) throw fail(errno);
  if (S_ISDIR(info.st_mode)) throw fail(EISDIR);
  if (!S_ISREG(info.st_mode)) {
    throw Unreadable(kind, path, "can't be read: it is a device, a socket or a FIFO",
                     "give the path of a regular file");
  }
  std::string bytes;
  bytes.reserve(info.st_size);
  std::vector<char> chunk(1 << 20);
  for (;;) {
    const ssize_t count = read(file.fd, chunk.data(), chunk.size());
    if (count == 0) return bytes;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw fail(errno);
    bytes.append(chunk.data(), count);
  }
}

std::shared_ptr<caffe2::serialize::ReadAdapterInterface> OwnArchive(std::string bytes) {
  return std::make_shared<BytesReader>(std::move(bytes));
}

std::shared_ptr<caffe2::serialize::ReadAdapterInterface> OpenArchive(std::string bytes, const std::string& name,
                                                                     const ArchiveKind& kind, archive::Limits limits) {
  if (bytes.empty()) throw Unreadable(kind, name, "the file is empty", kind.hint);
  auto reader = std::make_shared<BytesReader>(std::move(bytes));
  if (limits.memory == 0) limits.memory = std::max<uint64_t>(kLeastMemory, 4 * reader->size());
  if (!reader->view().starts_with("PK")) {
    throw Unreadable(kind, name, std::string("not ") + kind.noun, kind.hint);
  }
  try {
    const std::vector<archive::Entry> entries = archive::ReadDirectory(reader->view(), limits);
    if (entries.empty()) {
      throw archive::Refusal("the archive is truncated or damaged: its table of contents is missing", "copy it again");
    }
    for (const char* part : kind.records) {
      if (!archive::HasEntry(entries, part)) throw Unreadable(kind, name, kind.missing, kind.hint);
    }
    caffe2::serialize::PyTorchStreamReader torch_reader(reader);
    MustAgree(torch_reader, entries);
    const auto inflate = [&](const archive::Entry& entry) {
      try {
        auto [data, size] = torch_reader.getRecord(std::string(BelowRoot(entries, entry)));
        return std::string(static_cast<const char*>(data.get()), size);
      } catch (const c10::Error& error) {
        if (script::IsOutOfMemory(error.what_without_backtrace())) throw std::bad_alloc();
        throw;
      }
    };
    for (const archive::Entry& entry : archive::CheckEntries(entries, inflate, script::IsDebugInformation, limits)) {
      reader->Hide(entry);
    }
  } catch (const Failure&) {
    throw;
  } catch (const archive::Refusal& refusal) {
    throw Failure(refusal.limit ? "ERR_LIMIT" : kind.code, name + ": " + refusal.message, "", refusal.hint);
  } catch (...) {
    const Failure failure = FaultOfFile();
    throw Failure(kind.code, name + ": the archive is damaged",
                  failure.detail.empty() ? failure.message : failure.detail, "copy it again");
  }
  return reader;
}

Failure FaultOfFile() {
  Failure failure = CurrentFailure();
  if (failure.code != "ERR_TORCH" || script::IsOutOfMemory(failure.message)) throw failure;
  return failure;
}

}  // namespace espalier
