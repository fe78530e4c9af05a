// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/qemu_messages.hpp"

#include "common/printable.hpp"

namespace tl::machine {
namespace {

constexpr std::size_t kKeptBytes = 8 << 10;
constexpr std::size_t kLoggedBytes = 64 << 10;

}  // namespace

void QemuMessages::take(std::string_view bytes, const Log& log) {
  newest_ += bytes;
  if (newest_.size() > kKeptBytes) newest_.erase(0, newest_.size() - kKeptBytes);
  line_ += bytes.substr(0, kKeptBytes);
  for (std::size_t at = line_.find('\n'); at != std::string::npos; at = line_.find('\n')) {
    if (logged_ < kLoggedBytes) {
      log.info("QEMU says: {}", make_printable(std::string_view(line_).substr(0, at), 1000));
    }
    logged_ += at + 1;
    line_.erase(0, at + 1);
  }
  if (line_.size() > kKeptBytes) line_.clear();
}

}  // namespace tl::machine
