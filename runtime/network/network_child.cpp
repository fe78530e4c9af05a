// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/network_child.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <utility>
#include <vector>

#include "common/printable.hpp"
#include "runtime/network/process.hpp"
#include "runtime/network/program.hpp"

namespace tl::network {
namespace {

constexpr std::size_t kMostWords = 500;

}  // namespace

Result<NetworkChild> NetworkChild::start(int cable, const std::string& label) {
  auto program = program_file();
  if (!program) return program.error();
  auto link = packet_socket_pair();
  if (!link) return link.error();
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK) != 0) return errno_error("pipe");
  UniqueFd words(pipe[0]);
  const UniqueFd mouth(pipe[1]);
  ChildSpec child;
  child.argv = {"/proc/self/fd/" + std::to_string(kProgramFd), label};
  child.environment = std::vector<std::string>{};
  child.fds = {{STDOUT_FILENO, mouth.get()},
               {STDERR_FILENO, mouth.get()},
               {kCableFd, cable},
               {kControlFd, link->second.get()},
               {kProgramFd, program->get()}};
  child.group = ChildSpec::Group::kOwnGroup;
  child.death_signal = SIGKILL;
  auto started = ChildProcess::spawn(child);
  if (!started) return started.error();
  return NetworkChild{*std::move(started), std::move(link->first), std::move(words)};
}

std::string NetworkChild::last_words() const {
  std::array<char, kMostWords> bytes;
  const ssize_t got = ::read(words.get(), bytes.data(), bytes.size());
  std::string text(bytes.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  while (text.ends_with('\n')) text.pop_back();
  return make_printable(text, kMostWords);
}

}  // namespace tl::network
