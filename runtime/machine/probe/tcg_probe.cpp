// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/probe/tcg_probe.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>

#include <fmt/format.h>

#include "common/child_process.hpp"
#include "common/printable.hpp"

namespace tl::machine {
namespace {

constexpr std::chrono::seconds kPatience(10);
constexpr std::size_t kOutputBytes = 4096;
constexpr std::size_t kVersionBytes = 200;
constexpr const char* kCure = "apt-get install qemu-system-x86";

// What the program prints, as much as is of interest, until it ends.
Result<std::string> version_output(const std::string& path) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  ChildSpec spec;
  spec.argv = {path, "--version"};
  spec.fds = {{STDOUT_FILENO, theirs.get()}, {STDERR_FILENO, theirs.get()}};
  spec.death_signal = SIGKILL;
  auto child = ChildProcess::spawn(spec);
  if (!child) return child.error();
  theirs.reset();

  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::string output;
  while (output.size() < kOutputBytes) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd entry{ours.get(), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&entry, 1, static_cast<int>(left.count())) == 0) {
      return Error{ErrorCode::kHostLacks, path + " --version does not end", ""};
    }
    char chunk[512];
    const ssize_t n = ::read(ours.get(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    output.append(chunk, static_cast<std::size_t>(n));
  }
  return output;
}

}  // namespace

std::optional<QemuVersion> parse_qemu_version(std::string_view output) {
  constexpr std::string_view kMarker = "QEMU emulator version ";
  const std::size_t at = output.find(kMarker);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view text = output.substr(at + kMarker.size());
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  text = text.substr(0, text.find_first_not_of("0123456789."));
  QemuVersion version;
  version.text = std::string(text);
  version.full = make_printable(line, kVersionBytes);
  const char* end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, version.major);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return std::nullopt;
  const auto minor = std::from_chars(major.ptr + 1, end, version.minor);
  if (minor.ec != std::errc()) return std::nullopt;
  return version;
}

Verdict probe_tcg(const std::string& qemu) {
  const auto path = find_program(qemu);
  if (!path) return Verdict{false, path.error().message, kCure};
  const auto output = version_output(*path);
  if (!output) return Verdict{false, output.error().message, kCure};
  const auto version = parse_qemu_version(*output);
  if (!version) return Verdict{false, *path + " is not a QEMU", kCure};
  if (version->major < kLeastQemuMajor ||
      (version->major == kLeastQemuMajor && version->minor < kLeastQemuMinor)) {
    return Verdict{
        false, fmt::format("QEMU {} is older than {}.{}", version->text, kLeastQemuMajor, kLeastQemuMinor),
        kCure};
  }
  return Verdict{true, "QEMU " + version->text, "", "QEMU " + version->full};
}

Result<std::string> qemu_fingerprint(const std::string& qemu) {
  const Verdict verdict = probe_tcg(qemu);
  if (!verdict.usable) {
    return Error{ErrorCode::kHostLacks, "tcg cannot be used: " + verdict.reason, verdict.cure};
  }
  return verdict.fingerprint;
}

}  // namespace tl::machine
