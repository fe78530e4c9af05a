// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/qemu_child.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <utility>
#include <vector>

#include "common/io.hpp"
#include "runtime/machine/process_image/process_image.hpp"

namespace tl::machine {
namespace {

Result<void> check_image(const std::filesystem::path& path) {
  const auto image = open_at(AT_FDCWD, path.string(), O_RDONLY);
  if (!image) return image.error();
  return check_process_image(image->get());
}

}  // namespace

Result<QemuChild> start_qemu(const std::string& program, const MachineSpec& spec,
                             const QemuInheritance& inheritance, std::optional<std::uint32_t> tsc_khz) {
  struct stat memory = {};
  if (::fstat(inheritance.memory, &memory) != 0) return errno_error("the guest's memory");
  if (memory.st_size != static_cast<off_t>(spec.memory_mib) << 20) {
    return Error{ErrorCode::kFailure, "the guest's memory has another size than its file", ""};
  }
  const bool kept = !spec.process_image.empty();
  if (kept) {
    if (auto fits = check_image(spec.process_image); !fits) return fits.error().within("the kept QEMU");
  }
  auto control = stream_socket_pair();
  if (!control) return control.error();
  auto serial = stream_socket_pair();
  if (!serial) return serial.error();
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return errno_error("pipe");
  UniqueFd report_ours(report[0]);
  const UniqueFd report_theirs(report[1]);

  QemuDescriptors numbers;
  ChildSpec child;
  child.fds = {{STDOUT_FILENO, report_theirs.get()},
               {STDERR_FILENO, report_theirs.get()},
               {numbers.qmp, control->second.get()},
               {numbers.console, serial->second.get()}};
  const auto pass = [&](int& theirs, int ours) {
    if (ours >= 0) {
      child.fds.push_back({theirs, ours});
    } else {
      theirs = -1;
    }
  };
  pass(numbers.initramfs, spec.saved_state.empty() ? spec.initramfs.file.get() : -1);
  pass(numbers.disk, inheritance.disk);
  pass(numbers.agent, inheritance.agent);
  pass(numbers.memory, inheritance.memory);
  pass(numbers.network, inheritance.network);
  child.argv = kept ? std::vector<std::string>{spec.process_image.string()}
                    : qemu_command_line(program, spec, numbers, tsc_khz);
  // QEMU translates with memory from malloc(3), whose arenas of single threads grow by a page and a system
  // call at a time: a fiftieth of what a guest takes that has all of its code to translate.
  child.environment = std::vector<std::string>{"PATH=/usr/bin:/bin", "LC_ALL=C", "MALLOC_ARENA_MAX=1",
                                               "MALLOC_TOP_PAD_=2097152"};
  child.group = ChildSpec::Group::kOwnGroup;
  child.death_signal = SIGKILL;

  auto started = ChildProcess::spawn(child);
  if (!started) return started.error();
  UniqueFd pidfd(::fcntl(started->pidfd(), F_DUPFD_CLOEXEC, 0));
  if (!pidfd) return errno_error("watch QEMU");
  return QemuChild{*std::move(started),      std::move(pidfd),       std::move(control->first),
                   std::move(serial->first), std::move(report_ours), numbers};
}

}  // namespace tl::machine
