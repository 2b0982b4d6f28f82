#include "script/quiet.h"

#include <torch/csrc/jit/runtime/print_handler.h>

#include <string>

namespace espalier::script {

namespace {

thread_local bool quiet = false;

struct Dropped : c10::WarningHandler {
  void process(const c10::Warning&) override {}
};

c10::WarningHandler* Drops() {
  static auto* dropped = new Dropped();
  return dropped;
}

// LibTorch has one handler for the process: ours stands before the one that was there.
torch::jit::PrintHandler InsertHandler() {
  static torch::jit::PrintHandler next = torch::jit::getPrintHandler();
  torch::jit::setPrintHandler([](const std::string& text) {
    if (!quiet) next(text);
  });
  return next;
}

}  // namespace

Quiet::Quiet() : before_(quiet), warnings_(Drops()) {
  static const torch::jit::PrintHandler inserted = InsertHandler();
  (void)inserted;
  quiet = true;
}

Quiet::~Quiet() { quiet = before_; }

}  // namespace espalier::script
