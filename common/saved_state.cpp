// SPDX-License-Identifier: Apache-2.0
#include "common/saved_state.hpp"

#include <limits>
#include <string>

namespace tl {

void StateWriter::put_bytes(std::span<const std::byte> bytes) {
  TL_CHECK(bytes.size() <= std::numeric_limits<std::uint32_t>::max());
  const auto length = static_cast<std::uint32_t>(bytes.size());
  const auto head = std::as_bytes(std::span(&length, 1));
  bytes_.insert(bytes_.end(), head.begin(), head.end());
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

Result<std::span<const std::byte>> StateReader::get_bytes() {
  std::uint32_t length = 0;
  if (rest_.size() < sizeof length) return wrong();
  std::memcpy(&length, rest_.data(), sizeof length);
  if (length > rest_.size() - sizeof length) return wrong();
  const auto bytes = rest_.subspan(sizeof length, length);
  rest_ = rest_.subspan(sizeof length + length);
  return bytes;
}

Result<void> StateReader::expect(std::string_view part) {
  part_ = part;
  const auto bytes = get_bytes();
  if (!bytes) return bytes.error();
  if (bytes->size() != part.size() || std::memcmp(bytes->data(), part.data(), part.size()) != 0)
    return wrong();
  return {};
}

Error StateReader::wrong() const {
  return Error{ErrorCode::kOutOfRange, "the saved state is not understood from " + std::string(part_) + " on",
               ""};
}

}  // namespace tl
