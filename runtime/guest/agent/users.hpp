// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"

namespace tl::guest {

// Who a command runs as.
struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary; sorted
  std::string name;           // empty when the user data base does not know the number
  std::string home = "/";
  std::string shell = "/bin/sh";
};

// The users of the root disk: `folder`/passwd and `folder`/group, read directly (a static program has no NSS,
// and the image decides, not us). Kept in memory until the files change.
class UserTable {
 public:
  explicit UserTable(std::string folder = "/etc") : folder_(std::move(folder)) {}

  // NAME or UID, then perhaps a colon and the NAME or GID of a group, which is the only one then; empty is
  // UID 0. Numbers need not be in the files. kNotFound for an unknown name, kOutOfRange for a number that is
  // too large.
  Result<User> find(const std::string& who);

 private:
  struct Account {
    uid_t uid;
    gid_t gid;
    std::string name, home, shell;
  };
  struct Group {
    gid_t gid;
    std::string name;
    std::vector<std::string> members;
  };
  // What tells that a file is still the one that was read; nothing when it is not there.
  struct Version {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec changed{};
    bool operator==(const Version& other) const;
  };

  void refresh();
  [[nodiscard]] Version version_of(const char* name) const;
  User complete(const Account& account) const;
  [[nodiscard]] Result<User> find_account(const std::string& who) const;
  [[nodiscard]] Result<std::uint32_t> find_group(const std::string& which) const;

  std::string folder_;
  std::optional<Version> passwd_version_;
  std::optional<Version> group_version_;
  std::vector<Account> accounts_;
  std::vector<Group> groups_;
};

}  // namespace tl::guest
