// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/names.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "runtime/registry/document_folder.hpp"
#include "runtime/registry/identifier.hpp"

namespace tl::registry {

Result<std::optional<std::string>> NameTable::holder(const std::string& name) const {
  std::array<char, kIdLength + 1> target{};
  const ssize_t length = ::readlinkat(dir_.get(), name.c_str(), target.data(), target.size());
  if (length < 0 && errno == ENOENT) return std::optional<std::string>();
  if (length < 0 && errno != EINVAL) return errno_error("look up the name " + name);
  std::string id(target.data(), length < 0 ? 0 : static_cast<std::size_t>(length));
  return std::optional(is_sandbox_id(id) ? id : "");
}

Result<std::vector<std::string>> NameTable::names() const {
  return folder_entries(dir_.get());
}

Result<bool> NameTable::reserve(const std::string& name, const std::string& id) const {
  if (::symlinkat(id.c_str(), dir_.get(), name.c_str()) == 0) return true;
  if (errno == EEXIST) return false;
  return errno_error("reserve the name " + name);
}

Result<void> NameTable::release(const std::string& name, const std::string& id) const {
  const auto present = holder(name);
  if (!present) return present.error();
  if (*present != id) return {};
  if (::unlinkat(dir_.get(), name.c_str(), 0) != 0) return errno_error("free the name " + name);
  return {};
}

Result<void> NameTable::sync() const {
  if (::fsync(dir_.get()) != 0) return errno_error("fsync of the names");
  return {};
}

}  // namespace tl::registry
