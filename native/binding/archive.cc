#include "binding/archive.h"

#include <caffe2/serialize/inline_container.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "binding/errors.h"

namespace espalier {
namespace {

std::string ErrorText(int error) {
  const char* name = strerrorname_np(error);
  return std::string(strerror(error)) + (name == nullptr ? "" : std::string(" (") + name + ")");
}

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

 private:
  std::string bytes_;
};

// CRC-32 of zip, eight bytes a step.
class Crc32 {
 public:
  Crc32() {
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; bit++) value = (value >> 1) ^ ((value & 1) ? 0xEDB88320u : 0);
      table_[0][i] = value;
    }
    for (size_t k = 1; k < 8; k++) {
      for (size_t i = 0; i < 256; i++) {
        table_[k][i] = (table_[k - 1][i] >> 8) ^ table_[0][table_[k - 1][i] & 0xFF];
      }
    }
  }
  uint32_t Of(std::string_view data) const {
    uint32_t crc = 0xFFFFFFFFu;
    const auto* p = reinterpret_cast<const unsigned char*>(data.data());
    size_t n = data.size();
    for (; n >= 8; n -= 8, p += 8) {
      uint32_t low = 0, high = 0;
      std::memcpy(&low, p, 4);
      std::memcpy(&high, p + 4, 4);
      low ^= crc;
      crc = table_[7][low & 0xFF] ^ table_[6][(low >> 8) & 0xFF] ^ table_[5][(low >> 16) & 0xFF] ^
            table_[4][low >> 24] ^ table_[3][high & 0xFF] ^ table_[2][(high >> 8) & 0xFF] ^
            table_[1][(high >> 16) & 0xFF] ^ table_[0][high >> 24];
    }
    for (; n > 0; n--, p++) crc = (crc >> 8) ^ table_[0][(crc ^ *p) & 0xFF];
    return ~crc;
  }

 private:
  std::array<std::array<uint32_t, 256>, 8> table_;
};

struct Record {
  std::string name;  // with the archive's folder in front
  uint32_t crc = 0;
  bool stored = false;       // not compressed
  std::string_view content;  // when stored
};

// Reader of the parts of a zip that LibTorch's own does not check. Layout: APPNOTE.TXT 4.3, all little endian.
class ZipDirectory {
 public:
  explicit ZipDirectory(std::string_view bytes) : bytes_(bytes) {}

  // Empty when the bytes are no whole zip archive.
  std::vector<Record> Records() const {
    constexpr size_t kEndSize = 22;
    if (bytes_.size() < kEndSize) return {};
    const size_t lowest = bytes_.size() - std::min<size_t>(bytes_.size(), kEndSize + 65535);
    size_t end = bytes_.size() - kEndSize + 1;
    do {
      if (end == lowest) return {};
      end--;
    } while (Number(end, 4) != 0x06054b50);

    uint64_t count = Number(end + 10, 2), offset = Number(end + 16, 4);
    if (end >= 20 && Number(end - 20, 4) == 0x07064b50) {  // zip64
      const uint64_t end64 = Number(end - 12, 8);
      if (!Fits(end64, 56) || Number(end64, 4) != 0x06064b50) return {};
      count = Number(end64 + 32, 8);
      offset = Number(end64 + 48, 8);
    }
    std::vector<Record> records;
    for (uint64_t i = 0; i < count; i++) {
      if (!Fits(offset, 46) || Number(offset, 4) != 0x02014b50) return {};
      Record record;
      if (!Read(offset, record)) return {};
      records.push_back(std::move(record));
      offset += 46 + Number(offset + 28, 2) + Number(offset + 30, 2) + Number(offset + 32, 2);
    }
    return records;
  }

 private:
  bool Fits(uint64_t at, uint64_t size) const { return at <= bytes_.size() && size <= bytes_.size() - at; }
  uint64_t Number(uint64_t at, int width) const {
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; i--) value = value << 8 | static_cast<unsigned char>(bytes_[at + i]);
    return value;
  }

  bool Read(uint64_t at, Record& record) const {
    uint64_t size = Number(at + 20, 4), full_size = Number(at + 24, 4), local = Number(at + 42, 4);
    const uint64_t name_size = Number(at + 28, 2), extra_size = Number(at + 30, 2);
    if (!Fits(at, 46 + name_size + extra_size)) return false;
    record.name = bytes_.substr(at + 46, name_size);
    record.crc = static_cast<uint32_t>(Number(at + 16, 4));
    record.stored = Number(at + 10, 2) == 0;
    // Numbers that need 64 bits stand, in this order, in the extra field 1.
    const uint64_t extra_end = at + 46 + name_size + extra_size;
    for (uint64_t field = at + 46 + name_size; field + 4 <= extra_end; field += 4 + Number(field + 2, 2)) {
      if (Number(field, 2) != 1) continue;
      uint64_t next = field + 4;
      for (uint64_t* value : {&full_size, &size, &local}) {
        if (*value != 0xFFFFFFFF) continue;
        if (next + 8 > extra_end) return false;
        *value = Number(next, 8);
        next += 8;
      }
      break;
    }
    if (!Fits(local, 30) || Number(local, 4) != 0x04034b50) return false;
    const uint64_t start = local + 30 + Number(local + 26, 2) + Number(local + 28, 2);
    if (!Fits(start, size)) return false;
    if (record.stored) record.content = bytes_.substr(start, size);
    return true;
  }

  std::string_view bytes_;
};

Failure Unreadable(const ArchiveKind& kind, const std::string& name, const std::string& what, const std::string& hint) {
  return Failure(kind.code, name + ": " + what, "", hint);
}

bool HasRecord(const std::vector<Record>& records, std::string_view part) {
  return std::any_of(records.begin(), records.end(), [part](const Record& record) {
    const size_t slash = record.name.find('/');
    return slash != std::string::npos && std::string_view(record.name).substr(slash + 1).starts_with(part);
  });
}

}  // namespace

const ArchiveKind kModelArchive = {
    "ERR_MODEL_FILE",
    "a TorchScript archive",
    {"constants.pkl", "code/"},
    "an archive without a TorchScript program; torch.save writes such files",
    "save it in Python with torch.jit.script(model).save(path) or torch.jit.trace(model, x).save(path)"};

const ArchiveKind kCheckpointArchive = {"ERR_CHECKPOINT",
                                        "a checkpoint",
                                        {"data.pkl"},
                                        "an archive without a checkpoint's data",
                                        "give the path of a checkpoint that this package wrote"};

std::string ReadFile(const std::string& path, const ArchiveKind& kind) {
  const auto fail = [&](int error) { return Unreadable(kind, path, "can't be read: " + ErrorText(error), kind.hint); };
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd < 0) throw fail(errno);
  struct stat info;
  if (fstat(file.fd, &info) != 0) throw fail(errno);
  if (S_ISDIR(info.st_mode)) throw fail(EISDIR);
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

std::shared_ptr<caffe2::serialize::ReadAdapterInterface> OpenArchive(std::string bytes, const std::string& name,
                                                                     const ArchiveKind& kind) {
  if (bytes.empty()) throw Unreadable(kind, name, "the file is empty", kind.hint);
  auto reader = std::make_shared<BytesReader>(std::move(bytes));
  const std::vector<Record> records = ZipDirectory(reader->view()).Records();
  if (!reader->view().starts_with("PK")) {
    throw Unreadable(kind, name, std::string("not ") + kind.noun, kind.hint);
  }
  if (records.empty()) {
    throw Unreadable(kind, name, "the archive is truncated or damaged: its table of contents is missing",
                     "copy it again");
  }
  for (const char* part : kind.records) {
    if (!HasRecord(records, part)) throw Unreadable(kind, name, kind.missing, kind.hint);
  }
  static const Crc32 crc;
  caffe2::serialize::PyTorchStreamReader archive(reader);
  for (const Record& record : records) {
    bool whole = false;
    if (record.stored) {
      whole = crc.Of(record.content) == record.crc;
    } else {
      try {
        auto [data, size] = archive.getRecord(record.name.substr(record.name.find('/') + 1));
        whole = crc.Of({static_cast<const char*>(data.get()), size}) == record.crc;
      } catch (const std::exception&) {
        whole = false;  // it does not inflate
      }
    }
    if (!whole) {
      throw Unreadable(kind, name, "the archive is damaged: the checksum of its record '" + record.name + "' is wrong",
                       "copy it again");
    }
  }
  return reader;
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  static std::atomic<unsigned> counter{0};
  temporary_ = path_ + "." + std::to_string(getpid()) + "-" + std::to_string(counter++) + ".part";
  file_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file_ < 0) Fail(errno);
}

AtomicFile::~AtomicFile() {
  if (file_ < 0) return;
  close(file_);
  unlink(temporary_.c_str());
}

void AtomicFile::Fail(int error) const {
  throw Failure("ERR_WRITE", path_ + ": can't be written: " + ErrorText(error), "",
                "check that the folder exists, is writable and has space left");
}

void AtomicFile::Write(const void* data, size_t size) noexcept {
  const char* next = static_cast<const char*>(data);
  while (size > 0 && error_ == 0) {
    const ssize_t count = write(file_, next, size);
    if (count < 0) {
      if (errno != EINTR) error_ = errno;
      continue;
    }
    next += count;
    size -= count;
  }
}

void AtomicFile::Commit() {
  if (error_ == 0 && fsync(file_) != 0) error_ = errno;
  if (error_ == 0 && rename(temporary_.c_str(), path_.c_str()) != 0) error_ = errno;
  if (error_ != 0) Fail(error_);
  close(file_);
  file_ = -1;
  // The new name is only durable once the folder is.
  const size_t slash = path_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  Descriptor directory(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.fd >= 0) fsync(directory.fd);
}

}  // namespace espalier
