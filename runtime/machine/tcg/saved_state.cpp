// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/saved_state.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace tl::machine {
namespace {

constexpr std::array<char, 8> kMagic{'T', 'L', '-', 'T', 'C', 'G', '\0', '\1'};
constexpr std::size_t kHeaderBytes = 16;

void append(std::vector<std::byte>& bytes, std::size_t number) {
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<std::byte>(number >> shift & 0xff));
}

std::size_t number_at(std::span<const std::byte> bytes, std::size_t offset) {
  std::size_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number |= std::to_integer<std::size_t>(bytes[offset + i]) << (8 * i);
  return number;
}

Error unreadable(const char* why) {
  return Error{ErrorCode::kFailure, std::string("the saved state of the machine ") + why, ""};
}

}  // namespace

std::vector<std::byte> serialize(const SavedState& state) {
  const std::string_view version = std::string_view(state.qemu_version).substr(0, SavedState::kVersionBytes);
  TL_CHECK(!state.stream.empty() && state.stream.size() <= SavedState::kStreamBytes);
  std::vector<std::byte> bytes;
  bytes.reserve(kHeaderBytes + version.size() + state.stream.size());
  const auto magic = std::as_bytes(std::span(kMagic));
  bytes.insert(bytes.end(), magic.begin(), magic.end());
  append(bytes, version.size());
  append(bytes, state.stream.size());
  const auto text = std::as_bytes(std::span(version));
  bytes.insert(bytes.end(), text.begin(), text.end());
  bytes.insert(bytes.end(), state.stream.begin(), state.stream.end());
  return bytes;
}

Result<SavedState> parse_saved_state(std::span<const std::byte> bytes) {
  const auto magic = std::as_bytes(std::span(kMagic));
  if (bytes.size() < kHeaderBytes) return unreadable("is cut off");
  if (!std::equal(magic.begin(), magic.end(), bytes.begin()))
    return unreadable("is not one of a tcg machine");
  const std::size_t version_bytes = number_at(bytes, 8);
  const std::size_t stream_bytes = number_at(bytes, 12);
  if (version_bytes > SavedState::kVersionBytes || stream_bytes == 0 ||
      stream_bytes > SavedState::kStreamBytes) {
    return unreadable("is damaged");
  }
  const auto rest = bytes.subspan(kHeaderBytes);
  if (rest.size() < version_bytes + stream_bytes) return unreadable("is cut off");
  if (rest.size() > version_bytes + stream_bytes) return unreadable("is longer than it says");
  SavedState state;
  state.qemu_version.assign(reinterpret_cast<const char*>(rest.data()), version_bytes);
  state.stream = rest.subspan(version_bytes);
  return state;
}

}  // namespace tl::machine
