#include "binding/atomic_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>

#include "archive/crc32.h"
#include "binding/descriptor.h"
#include "binding/errors.h"

namespace espalier {
namespace {

constexpr int kMaxLinks = 40;
// Of a temporary name; with what follows it stays below the 255 bytes of NAME_MAX.
constexpr size_t kStemBytes = 200;

// "7f3a01bc-1234-": this machine and this process. The name of the temporary file goes on with a random number.
std::string Owner(pid_t process) {
  char host[256] = {};
  gethostname(host, sizeof(host) - 1);
  char text[32];
  snprintf(text, sizeof(text), "%08x-%d-", archive::Crc32(host), process);
  return text;
}

std::string RandomText() {
  char text[16];
  snprintf(text, sizeof(text), "%08x", static_cast<unsigned>(std::random_device{}()));
  return text;
}

// The start of a name, at whole characters of UTF-8.
std::string Stem(const std::string& base) {
  size_t size = std::min(base.size(), kStemBytes);
  while (size < base.size() && size > 0 && (static_cast<unsigned char>(base[size]) & 0xC0) == 0x80) size--;
  return base.substr(0, size) + ".";
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
  RefuseNul(path);
  FollowLinks();
  mode_t mode = 0666;
  struct stat older;
  const bool replaces = stat((folder_ + base_).c_str(), &older) == 0;
  if (replaces && S_ISDIR(older.st_mode)) Fail(EISDIR);
  if (replaces && !S_ISREG(older.st_mode)) {
    throw Failure("ERR_WRITE", path_ + ": can't be written: it is a device, a socket or a FIFO", "",
                  "give the path of a regular file, or of none");
  }
  if (!replaces && errno != ENOENT) Fail(errno);
  const std::string stem = Stem(base_);
  RemoveLeftovers(stem);
  do {
    temporary_ = folder_ + stem + Owner(getpid()) + RandomText() + ".part";
    file_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  } while (file_ < 0 && errno == EEXIST);
  if (file_ < 0) Fail(errno);
  if (replaces && fchmod(file_, older.st_mode & 07777) != 0) error_ = errno;
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

// The file itself may not be there yet, so that realpath() is no help.
void AtomicFile::FollowLinks() {
  std::string at = path_;
  for (int links = 0;; links++) {
    const size_t slash = at.rfind('/');
    folder_ = slash == std::string::npos ? "./" : at.substr(0, slash + 1);
    base_ = slash == std::string::npos ? at : at.substr(slash + 1);
    struct stat info;
    if (lstat(at.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) return;
    if (links == kMaxLinks) Fail(ELOOP);
    std::string target(4096, '\0');
    const ssize_t size = readlink(at.c_str(), target.data(), target.size());
    if (size < 0) Fail(errno);
    target.resize(size);
    at = target.starts_with('/') ? target : folder_ + target;
  }
}

// Those of processes of this machine that are no more.
void AtomicFile::RemoveLeftovers(const std::string& stem) const {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(folder_.c_str()), closedir);
  if (!folder) return;  // opening the file tells
  while (const dirent* entry = readdir(folder.get())) {
    const std::string name = entry->d_name;
    if (!name.starts_with(stem) || !name.ends_with(".part")) continue;
    const std::string rest = name.substr(stem.size());
    const size_t dash = rest.find('-');
    if (dash == std::string::npos) continue;
    const pid_t process = std::atoi(rest.c_str() + dash + 1);
    const std::string owner = Owner(process);
    const bool ours = process > 0 && rest.starts_with(owner) && rest.size() == owner.size() + 8 + 5;
    if (ours && kill(process, 0) != 0 && errno == ESRCH) unlink((folder_ + name).c_str());
  }
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
  if (error_ == 0 && rename(temporary_.c_str(), (folder_ + base_).c_str()) != 0) error_ = errno;
  if (error_ != 0) Fail(error_);
  close(file_);
  file_ = -1;
  // The new name is only durable once the folder is.
  Descriptor directory(open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.fd >= 0) fsync(directory.fd);
}

}  // namespace espalier
