#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "archive/limits.h"
#include "binding/errors.h"

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

// A reader over bytes that this process has written itself: nothing is checked.
std::shared_ptr<caffe2::serialize::ReadAdapterInterface> OwnArchive(std::string bytes);

// From `{entries?, inflated?, memory?, depth?}` or undefined: whole numbers. Without `memory` it is 4 GiB,
// or four times the archive when that is more.
archive::Limits ToLimits(Napi::Value value);

// The bytes of a regular file: a FIFO or a device could be read for ever. Throws the kind's error with the system's
// reason.
std::string ReadFile(const std::string& path, const ArchiveKind& kind);

// A reader over bytes that LibTorch can load from. Checks first that they are a whole archive of the kind, that every
// record has its checksum, and that pickles and programs in it are sound and within the limits: LibTorch itself takes
// that on trust. Throws the kind's error or ERR_LIMIT; `name` is the file's name in the message.
std::shared_ptr<caffe2::serialize::ReadAdapterInterface> OpenArchive(std::string bytes, const std::string& name,
                                                                     const ArchiveKind& kind, archive::Limits limits);

// LibTorch's error, the current one, while it read a file: the file is to blame. Throws it on where it isn't: want of
// memory, or no error of LibTorch. Call it in a catch block.
Failure FaultOfFile();

}  // namespace espalier
