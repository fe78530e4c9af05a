// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

// What this host says of its own distribution and where that comes from.
namespace tl::storage {

struct HostRelease {
  std::string id;           // "debian" or "ubuntu"
  std::string codename;     // "bookworm"
  std::string pretty_name;  // "Debian GNU/Linux 12 (bookworm)"
};

// From the text of /etc/os-release. A distribution made from Ubuntu or Debian counts as that when it says
// which release. kHostLacks for all others.
Result<HostRelease> parse_host_release(std::string_view os_release);

// One `deb` entry of apt's.
struct AptSource {
  std::vector<std::string> uris;
  std::vector<std::string> suites;
  std::vector<std::string> components;
  std::string signed_by;  // a keyring's path; empty: apt's trusted ones
  bool trusted = false;   // not signed, and the host's administrator said so
};

// Every enabled `deb` entry of a file in the one-line format or in deb822. Lines that cannot be read are left
// out.
std::vector<AptSource> parse_sources_list(std::string_view text);
std::vector<AptSource> parse_deb822_sources(std::string_view text);

// Those that are the distribution's own, reduced to the release itself, its updates and its security updates,
// and to the distribution's components. Entries of others (nodesource, Docker, ...) are told by keyring,
// suite, component or address.
std::vector<AptSource> own_sources(const std::vector<AptSource>& sources, const HostRelease& release);

// As deb822.
std::string format_deb822(const std::vector<AptSource>& sources);

// All of the above for a host's `apt_folder` (/etc/apt): the text of the sources an image of `release` gets.
// A source that leaves its keyring to apt's trusted ones gets the distribution's. kHostLacks when none of
// them is the distribution's own.
Result<std::string> host_apt_sources(const std::filesystem::path& apt_folder, const HostRelease& release);

}  // namespace tl::storage
