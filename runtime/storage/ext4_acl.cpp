// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_acl.hpp"

#include <endian.h>

#include <cstdint>
#include <cstring>

namespace tl::storage {
namespace {

constexpr std::uint32_t kDiskVersion = 1;
constexpr std::uint32_t kKernelVersion = 2;
constexpr std::uint32_t kNoId = 0xffffffff;
// Tags: include/linux/posix_acl.h.
constexpr std::uint16_t kNamedUser = 0x02;
constexpr std::uint16_t kNamedGroup = 0x08;
constexpr std::uint16_t kAllTags = 0x3f;

// Little-endian numbers from the front of a text that may end anywhere.
class Numbers {
 public:
  explicit Numbers(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] bool at_end() const { return bytes_.empty(); }
  template <typename Number>
  bool take(Number& number) {
    if (bytes_.size() < sizeof number) return false;
    std::memcpy(&number, bytes_.data(), sizeof number);
    if constexpr (sizeof number == 2) number = le16toh(number);
    if constexpr (sizeof number == 4) number = le32toh(number);
    bytes_.remove_prefix(sizeof number);
    return true;
  }

 private:
  std::string_view bytes_;
};

template <typename Number>
void add(std::string& to, Number number) {
  if constexpr (sizeof number == 2) number = htole16(number);
  if constexpr (sizeof number == 4) number = htole32(number);
  to.append(reinterpret_cast<const char*>(&number), sizeof number);
}

bool is_one_tag(std::uint16_t tag) {
  return tag != 0 && (tag & kAllTags) == tag && (tag & (tag - 1)) == 0;
}

}  // namespace

std::optional<std::string> kernel_acl(std::string_view on_disk) {
  Numbers numbers(on_disk);
  std::uint32_t version = 0;
  if (!numbers.take(version) || version != kDiskVersion) return std::nullopt;
  std::string acl;
  add(acl, kKernelVersion);
  while (!numbers.at_end()) {
    std::uint16_t tag = 0;
    std::uint16_t permissions = 0;
    std::uint32_t id = kNoId;
    if (!numbers.take(tag) || !numbers.take(permissions) || !is_one_tag(tag)) return std::nullopt;
    if ((tag == kNamedUser || tag == kNamedGroup) && !numbers.take(id)) return std::nullopt;
    add(acl, tag);
    add(acl, permissions);
    add(acl, id);
  }
  return acl;
}

}  // namespace tl::storage
