#include "script/checks/out_of_memory.h"

namespace espalier::script {

bool IsOutOfMemory(const std::string& text) {
  for (const char* words : {"out of memory", "can't allocate memory", "std::bad_alloc"}) {
    if (text.find(words) != std::string::npos) return true;
  }
  return false;
}

}  // namespace espalier::script
