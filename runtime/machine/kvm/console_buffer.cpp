// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/console_buffer.hpp"

#include <utility>

namespace tl::machine::kvm {

void ConsoleBuffer::put(char byte) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (bytes_.size() == kMostBytes) {
      ++lost_;
      return;
    }
    first = bytes_.empty();
    bytes_ += byte;
  }
  if (first) wake_();
}

std::string ConsoleBuffer::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(bytes_, std::string());
}

std::uint64_t ConsoleBuffer::lost() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

}  // namespace tl::machine::kvm
