// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/configure.hpp"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "common/io.hpp"
#include "runtime/guest/agent/boot_id.hpp"
#include "runtime/guest/agent/network.hpp"

namespace tl::guest {
namespace {

constexpr std::size_t kMaxEtcFile = 1024 * 1024;

Result<void> set_clock(std::chrono::nanoseconds wall_clock) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wall_clock);
  const timespec now{seconds.count(), (wall_clock - seconds).count()};
  if (::clock_settime(CLOCK_REALTIME, &now) != 0) return errno_error("set the clock");
  return {};
}

// The bytes count as fully random: they are the host's getrandom(2). Reseeding makes them take effect at
// once, so that two guests restored from one snapshot part ways.
Result<void> add_entropy(const std::vector<std::byte>& entropy) {
  auto fd = open_at(AT_FDCWD, "/dev/urandom", O_RDWR);
  if (!fd) return fd.error();
  std::vector<std::byte> buffer(sizeof(rand_pool_info) + entropy.size());
  const int head[] = {static_cast<int>(entropy.size() * 8), static_cast<int>(entropy.size())};
  static_assert(sizeof head == sizeof(rand_pool_info));
  std::memcpy(buffer.data(), head, sizeof head);
  std::memcpy(buffer.data() + sizeof head, entropy.data(), entropy.size());
  if (::ioctl(fd->get(), RNDADDENTROPY, buffer.data()) != 0) return errno_error("add entropy");
  if (::ioctl(fd->get(), RNDRESEEDCRNG) != 0) return errno_error("reseed the random generator");
  return {};
}

// Only when it says something else, so that an unchanged disk stays unchanged; and in place, for what is cut
// to nothing first gets a block of its own and is written back at once. Whoever reads a half of it after a
// crash is told anew first.
Result<void> keep_file(const std::string& path, const std::string& contents, unsigned mode) {
  const auto now = read_file(AT_FDCWD, path, kMaxEtcFile);
  if (now && *now == contents) return {};
  // A file of mode 0444 is no obstacle to root, and a dangling or looping link is replaced.
  if (!now) ::unlink(path.c_str());
  auto fd = open_at(AT_FDCWD, path, O_WRONLY | O_CREAT, mode);
  if (!fd) return fd.error();
  const auto written = write_all(fd->get(), contents);
  if (!written) return written.error().within(path);
  if (now && now->size() > contents.size() &&
      ::ftruncate(fd->get(), static_cast<off_t>(contents.size())) != 0)
    return errno_error("cut " + path);
  return {};
}

Result<void> set_hostname(const std::string& hostname) {
  if (::sethostname(hostname.c_str(), hostname.size()) != 0) return errno_error("set the hostname");
  ::mkdir("/etc", 0755);
  auto kept = keep_file("/etc/hostname", hostname + "\n", 0644);
  if (!kept) return kept;
  const auto hosts = read_file(AT_FDCWD, "/etc/hosts", kMaxEtcFile);
  return keep_file("/etc/hosts", with_host(hosts ? *hosts : "", hostname), 0644);
}

// Nobody has been in a template since we named it.
Result<void> set_names(const Configuration& configuration) {
  utsname present = {};
  const bool has_its_name = configuration.restored == Restored::kFresh && ::uname(&present) == 0 &&
                            configuration.hostname == present.nodename;
  if (!has_its_name) {
    if (auto set = set_hostname(configuration.hostname); !set) return set;
  }
  return keep_file("/etc/machine-id", configuration.machine_id + "\n", 0444);
}

// What is restored has its addresses, and may have others by now that somebody inside gave it; a copy needs a
// hardware address of its own.
Result<void> set_network(const Configuration& configuration) {
  if (!configuration.network || configuration.restored == Restored::kResumed) return {};
  const NetworkSetup& network = *configuration.network;
  if (configuration.restored) return set_mac(network.mac);
  if (auto up = bring_up_network(network); !up) return up;
  std::string resolvers;
  for (const auto& resolver : network.resolvers) resolvers += "nameserver " + resolver + "\n";
  return keep_file("/etc/resolv.conf", resolvers, 0644);
}

void note(ConfigureReport& report, const Result<void>& result) {
  if (result) return;
  if (!report.error.empty()) report.error += "; ";
  report.error += result.error().message;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  line = line.substr(0, line.find('#'));
  for (;;) {
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return words;
    const std::size_t end = std::min(line.find_first_of(" \t\r", begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    line.remove_prefix(end);
  }
}

}  // namespace

std::string with_host(const std::string& hosts, const std::string& hostname) {
  std::string result;
  std::string_view rest = hosts;
  if (rest.empty()) rest = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n";
  while (!rest.empty()) {
    const std::size_t length = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, length);
    rest.remove_prefix(std::min(length + 1, rest.size()));
    const auto words = words_of(line);
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (words[i] == hostname) return hosts;
    }
    if (!words.empty() && words[0] == "127.0.1.1") continue;
    result.append(line).append("\n");
  }
  return result + "127.0.1.1\t" + hostname + "\n";
}

ConfigureReport configure_guest(const Configuration& configuration) {
  ConfigureReport report;
  note(report, set_clock(configuration.wall_clock));
  note(report, add_entropy(configuration.entropy));
  // A template has the size that it should have, and the kernel makes a boot id when it is first asked for
  // one.
  if (configuration.restored == Restored::kFresh) return report;
  note(report, set_names(configuration));
  note(report, set_network(configuration));
  if (configuration.restored == Restored::kCopied) note(report, renew_boot_id());
  if (configuration.disk_mib > 0) note(report, grow_root(configuration.disk_mib));
  return report;
}

ConfigureReport take_identity(const Configuration& configuration) {
  ConfigureReport report;
  note(report, set_names(configuration));
  note(report, set_network(configuration));
  return report;
}

}  // namespace tl::guest
