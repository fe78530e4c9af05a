// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/process_image/script.hpp"

namespace tl::machine {

std::uint64_t ScriptData::add(std::span<const std::byte> bytes, std::size_t alignment) {
  bytes_.resize((bytes_.size() + alignment - 1) & ~(alignment - 1));
  const std::uint64_t address = address_ + bytes_.size();
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return address;
}

std::uint64_t ScriptData::add_text(std::string_view text) {
  const std::uint64_t address = add(std::as_bytes(std::span(text)), 1);
  bytes_.push_back(std::byte{0});
  return address;
}

std::uint64_t ScriptData::add_calls(std::span<const ScriptCall> calls) {
  return add(std::as_bytes(calls), alignof(ScriptCall));
}

}  // namespace tl::machine
