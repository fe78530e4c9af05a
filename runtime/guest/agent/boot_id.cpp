// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/boot_id.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <span>

#include <fmt/format.h>

#include "common/io.hpp"
#include "common/random.hpp"

namespace tl::guest {
namespace {

constexpr const char* kShown = "/proc/sys/kernel/random/boot_id";
constexpr const char* kOurs = "/run/tl-boot-id";
constexpr unsigned long kReadOnly = MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

// Another file each time: the old one may be mounted where we do not see it.
Result<void> write_ours() {
  if (::unlink(kOurs) != 0 && errno != ENOENT) return errno_error(std::string("replace ") + kOurs);
  const auto file = open_at(AT_FDCWD, kOurs, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0444);
  if (!file) return file.error();
  return write_all(file->get(), new_uuid() + "\n");
}

}  // namespace

std::string new_uuid() {
  std::array<std::byte, 16> bytes;
  fill_random(bytes);
  bytes[6] = (bytes[6] & std::byte{0x0F}) | std::byte{0x40};
  bytes[8] = (bytes[8] & std::byte{0x3F}) | std::byte{0x80};
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", std::to_integer<unsigned>(bytes[i]));
  }
  return text;
}

Result<void> renew_boot_id() {
  if (auto written = write_ours(); !written) return written.error().within("renew the boot id");
  // That of an earlier copy. EINVAL: there is none.
  if (::umount2(kShown, MNT_DETACH) != 0 && errno != EINVAL) return errno_error("uncover the boot id");
  if (::mount(kOurs, kShown, nullptr, MS_BIND, nullptr) != 0) return errno_error("cover the boot id");
  if (::mount(nullptr, kShown, nullptr, MS_REMOUNT | kReadOnly, nullptr) != 0) {
    return errno_error("make the boot id read-only");
  }
  return {};
}

}  // namespace tl::guest
