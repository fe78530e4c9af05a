// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/tar_acl.hpp"

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include <archive.h>

namespace tl::storage {
namespace {

struct AclEntry {
  std::uint16_t tag;
  std::uint16_t permissions;
  std::uint32_t id;
};

std::optional<std::uint16_t> kernel_tag(int tag) {
  switch (tag) {
    case ARCHIVE_ENTRY_ACL_USER_OBJ:
      return ACL_USER_OBJ;
    case ARCHIVE_ENTRY_ACL_USER:
      return ACL_USER;
    case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
      return ACL_GROUP_OBJ;
    case ARCHIVE_ENTRY_ACL_GROUP:
      return ACL_GROUP;
    case ARCHIVE_ENTRY_ACL_MASK:
      return ACL_MASK;
    case ARCHIVE_ENTRY_ACL_OTHER:
      return ACL_OTHER;
    default:
      return std::nullopt;
  }
}

std::vector<AclEntry> entries_of(archive_entry* entry, int type) {
  std::vector<AclEntry> list;
  archive_entry_acl_reset(entry, type);
  int permissions = 0;
  int tag = 0;
  int id = 0;
  int entry_type = 0;
  const char* name = nullptr;
  while (archive_entry_acl_next(entry, type, &entry_type, &permissions, &tag, &id, &name) == ARCHIVE_OK) {
    const auto known = kernel_tag(tag);
    if (!known) continue;
    const bool named = *known == ACL_USER || *known == ACL_GROUP;
    list.push_back({*known, static_cast<std::uint16_t>(permissions & 7),
                    named ? static_cast<std::uint32_t>(id) : static_cast<std::uint32_t>(ACL_UNDEFINED_ID)});
  }
  // The kernel wants them in the order of the tags' values, and those of one kind by id.
  std::sort(list.begin(), list.end(), [](const AclEntry& a, const AclEntry& b) {
    return std::tie(a.tag, a.id) < std::tie(b.tag, b.id);
  });
  return list;
}

std::optional<int> tar_tag(std::uint32_t tag) {
  for (const int each : {ARCHIVE_ENTRY_ACL_USER_OBJ, ARCHIVE_ENTRY_ACL_USER, ARCHIVE_ENTRY_ACL_GROUP_OBJ,
                         ARCHIVE_ENTRY_ACL_GROUP, ARCHIVE_ENTRY_ACL_MASK, ARCHIVE_ENTRY_ACL_OTHER}) {
    if (kernel_tag(each) == tag) return each;
  }
  return std::nullopt;
}

constexpr std::size_t kHeadBytes = 4;
constexpr std::size_t kEntryBytes = 8;

std::uint32_t read_le(std::string_view in, std::size_t at, std::size_t bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<unsigned char>(in[at + i]);
  return value;
}

void append_le(std::string& out, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xffU));
}

void append_acl(archive_entry* entry, int type, const char* name, std::vector<Ext4Attributes::Xattr>& out) {
  const auto list = entries_of(entry, type);
  if (list.empty()) return;
  std::string value;
  append_le(value, POSIX_ACL_XATTR_VERSION, 4);
  for (const auto& item : list) {
    append_le(value, item.tag, 2);
    append_le(value, item.permissions, 2);
    append_le(value, item.id, 4);
  }
  out.push_back({name, std::move(value)});
}

}  // namespace

std::vector<Ext4Attributes::Xattr> posix_acls(archive_entry* entry) {
  std::vector<Ext4Attributes::Xattr> out;
  const int types = archive_entry_acl_types(entry);
  if ((types & ARCHIVE_ENTRY_ACL_TYPE_ACCESS) != 0) {
    append_acl(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, "system.posix_acl_access", out);
  }
  if ((types & ARCHIVE_ENTRY_ACL_TYPE_DEFAULT) != 0) {
    append_acl(entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, "system.posix_acl_default", out);
  }
  return out;
}

std::uint32_t permissions_of(archive_entry* entry) {
  auto permissions = static_cast<std::uint32_t>(archive_entry_perm(entry));
  if ((archive_entry_acl_types(entry) & ARCHIVE_ENTRY_ACL_TYPE_ACCESS) == 0) return permissions;
  for (const AclEntry& item : entries_of(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS)) {
    if (item.tag == ACL_MASK)
      permissions = (permissions & ~070U) | static_cast<std::uint32_t>(item.permissions) << 3;
  }
  return permissions;
}

bool add_posix_acl(archive_entry* entry, const Ext4Attributes::Xattr& xattr) {
  const bool access = xattr.name == "system.posix_acl_access";
  if (!access && xattr.name != "system.posix_acl_default") return false;
  const std::string_view value = xattr.value;
  if (value.size() < kHeadBytes || (value.size() - kHeadBytes) % kEntryBytes != 0) return true;
  if (read_le(value, 0, 4) != POSIX_ACL_XATTR_VERSION) return true;
  const int type = access ? ARCHIVE_ENTRY_ACL_TYPE_ACCESS : ARCHIVE_ENTRY_ACL_TYPE_DEFAULT;
  for (std::size_t at = kHeadBytes; at < value.size(); at += kEntryBytes) {
    const auto tag = tar_tag(read_le(value, at, 2));
    if (!tag) continue;
    const bool named = *tag == ARCHIVE_ENTRY_ACL_USER || *tag == ARCHIVE_ENTRY_ACL_GROUP;
    const int id = named ? static_cast<int>(read_le(value, at + 4, 4)) : -1;
    archive_entry_acl_add_entry(entry, type, static_cast<int>(read_le(value, at + 2, 2) & 7), *tag, id,
                                nullptr);
  }
  return true;
}

}  // namespace tl::storage
