#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/limits.h"
#include "archive/zip.h"

namespace espalier::archive {

// The content of a compressed entry; throws when it does not inflate.
using Inflate = std::function<std::string(const Entry& entry)>;

// The folder that all of an archive stands in, with the slash: that of its first entry.
std::string_view Root(const std::vector<Entry>& entries);

// Whether a name below the root starts with `part`.
bool HasEntry(const std::vector<Entry>& entries, std::string_view part);

// Whether a pickle that was checked holds debug information.
using IsDebug = std::function<bool(std::string_view pickle)>;

// Checksums of all entries in the archive's folder, and the pickles and programs that LibTorch reads. Throws Refusal.
// Returns the entries of debug information that is damaged: a program runs without it.
std::vector<Entry> CheckEntries(const std::vector<Entry>& entries, const Inflate& inflate, const IsDebug& is_debug,
                                const Limits& limits);

}  // namespace espalier::archive
