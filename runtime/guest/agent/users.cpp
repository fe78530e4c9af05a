// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/users.hpp"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>

namespace tl::guest {
namespace {

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

File open_list(const std::string& path) {
  return File(std::fopen(path.c_str(), "re"), [](FILE* file) { return std::fclose(file); });
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

// The highest number, (uid_t)-1, means "no change" to the kernel.
std::optional<std::uint32_t> number_of(const std::string& text) {
  std::uint32_t number = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (wrong != std::errc() || end != text.data() + text.size() || number == UINT32_MAX) return std::nullopt;
  return number;
}

}  // namespace

bool UserTable::Version::operator==(const Version& other) const {
  return device == other.device && inode == other.inode && size == other.size &&
         changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
}

UserTable::Version UserTable::version_of(const char* name) const {
  struct stat status {};
  if (::stat((folder_ + "/" + name).c_str(), &status) != 0) return {};
  return Version{status.st_dev, status.st_ino, status.st_size, status.st_ctim};
}

void UserTable::refresh() {
  const Version passwd = version_of("passwd");
  if (passwd_version_ != passwd) {
    accounts_.clear();
    if (const File file = open_list(folder_ + "/passwd")) {
      while (const auto* entry = ::fgetpwent(file.get())) {
        accounts_.push_back({entry->pw_uid, entry->pw_gid, entry->pw_name, entry->pw_dir, entry->pw_shell});
      }
    }
    passwd_version_ = passwd;
  }
  const Version group = version_of("group");
  if (group_version_ != group) {
    groups_.clear();
    if (const File file = open_list(folder_ + "/group")) {
      while (const auto* entry = ::fgetgrent(file.get())) {
        Group group_of{entry->gr_gid, entry->gr_name, {}};
        for (char** member = entry->gr_mem; *member != nullptr; ++member)
          group_of.members.emplace_back(*member);
        groups_.push_back(std::move(group_of));
      }
    }
    group_version_ = group;
  }
}

User UserTable::complete(const Account& account) const {
  User user{account.uid, account.gid, {account.gid}, account.name, account.home, account.shell};
  if (user.home.empty()) user.home = "/";
  if (user.shell.empty()) user.shell = "/bin/sh";
  for (const Group& group : groups_) {
    if (std::find(group.members.begin(), group.members.end(), account.name) != group.members.end()) {
      user.groups.push_back(group.gid);
    }
  }
  std::sort(user.groups.begin(), user.groups.end());
  user.groups.erase(std::unique(user.groups.begin(), user.groups.end()), user.groups.end());
  return user;
}

Result<User> UserTable::find(const std::string& who) {
  refresh();
  const std::size_t colon = who.find(':');
  auto user = find_account(who.empty() ? "0" : who.substr(0, colon));
  if (!user || colon == std::string::npos) return user;
  const auto gid = find_group(who.substr(colon + 1));
  if (!gid) return gid.error();
  user->gid = *gid;
  user->groups = {*gid};
  return user;
}

Result<User> UserTable::find_account(const std::string& who) const {
  if (!is_number(who)) {
    for (const Account& account : accounts_) {
      if (!who.empty() && account.name == who) return complete(account);
    }
    return Error{ErrorCode::kNotFound, "no user " + who + " in this sandbox", ""};
  }
  const auto uid = number_of(who);
  if (!uid) return Error{ErrorCode::kOutOfRange, "user " + who + ": the number is too large", ""};
  User user{*uid, 0, {0}, "", "/", "/bin/sh"};
  for (const Account& account : accounts_) {
    if (account.uid != *uid) continue;
    user = complete(account);
    break;
  }
  if (*uid == 0 && user.name.empty()) {
    user.name = "root";  // an image without a user data base still has a root
  }
  return user;
}

Result<std::uint32_t> UserTable::find_group(const std::string& which) const {
  if (is_number(which)) {
    const auto gid = number_of(which);
    if (gid) return *gid;
    return Error{ErrorCode::kOutOfRange, "group " + which + ": the number is too large", ""};
  }
  for (const Group& group : groups_) {
    if (!which.empty() && group.name == which) return static_cast<std::uint32_t>(group.gid);
  }
  return Error{ErrorCode::kNotFound, "no group " + which + " in this sandbox", ""};
}

}  // namespace tl::guest
