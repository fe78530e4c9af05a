// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/output_ring.hpp"

#include <algorithm>

namespace tl::guest {

void OutputRing::push(std::span<const std::byte> bytes) {
  if (bytes.size() > capacity_) {
    end_ += bytes.size() - capacity_;
    bytes = bytes.last(capacity_);
    held_.resize(capacity_);
  }
  while (!bytes.empty()) {
    const auto at = static_cast<std::size_t>(end_ % capacity_);
    const std::size_t now = std::min(bytes.size(), capacity_ - at);
    if (held_.size() < at + now) held_.resize(at + now);
    std::copy_n(bytes.begin(), now, held_.begin() + static_cast<std::ptrdiff_t>(at));
    end_ += now;
    bytes = bytes.subspan(now);
  }
}

std::span<const std::byte> OutputRing::from(std::uint64_t position) const {
  position = std::clamp(position, begin(), end_);
  const auto at = static_cast<std::size_t>(position % capacity_);
  const auto left = static_cast<std::size_t>(end_ - position);
  return std::span(held_).subspan(at == held_.size() ? 0 : at, std::min(left, held_.size() - at));
}

}  // namespace tl::guest
