// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/default_image_bootstrap.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/io.hpp"

namespace tl::storage {
namespace {

constexpr int kLookMilliseconds = 200;              // how often cancelled() is asked
constexpr std::chrono::seconds kTimeToCleanUp{60};  // it removes a tree of some 10,000 files
constexpr std::size_t kLastLines = 5;
constexpr int kPipeBytes = 1 << 20;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// apt's own proxy settings: mmdebstrap does not read the host's apt configuration. They go into the
// environment, not into the image, where a password would stay.
std::vector<std::pair<std::string, std::string>> apt_proxies() {
  auto pipe = make_pipe();
  if (!pipe) return {};
  auto child =
      ChildProcess::spawn({.argv = {"apt-config", "dump", "Acquire::http::Proxy", "Acquire::https::Proxy"},
                           .fds = {{STDOUT_FILENO, pipe->write.get()}}});
  if (!child) return {};
  pipe->write.reset();
  const auto text = read_to_end(pipe->read.get(), 1 << 16);
  if (!text) return {};
  std::vector<std::pair<std::string, std::string>> proxies;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {  // Acquire::http::Proxy "http://...";
    const std::size_t open = line.find('"');
    const std::size_t close = line.rfind('"');
    if (open == std::string::npos || close <= open + 1) continue;
    const std::string value = line.substr(open + 1, close - open - 1);
    if (line.compare(0, open, "Acquire::http::Proxy ") == 0) proxies.emplace_back("http_proxy", value);
    if (line.compare(0, open, "Acquire::https::Proxy ") == 0) proxies.emplace_back("https_proxy", value);
  }
  return proxies;
}

std::vector<std::string> environment() {
  std::vector<std::string> variables;
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string_view variable = *at;
    if (variable.substr(0, 3) == "LC_" || variable.substr(0, 5) == "LANG=") continue;
    variables.emplace_back(variable);
  }
  variables.emplace_back("LC_ALL=C.UTF-8");
  // Not /tmp, which is memory on many hosts.
  if (std::getenv("TMPDIR") == nullptr) variables.emplace_back("TMPDIR=/var/tmp");
  for (const auto& [name, value] : apt_proxies()) {
    if (std::getenv(name.c_str()) == nullptr) variables.push_back(fmt::format("{}={}", name, value));
  }
  return variables;
}

// The text fits a pipe, so nobody needs to feed it while the program runs.
Result<UniqueFd> pipe_with(const std::string& text) {
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  if (::fcntl(pipe->write.get(), F_GETPIPE_SZ) < static_cast<int>(text.size())) {
    return Error{ErrorCode::kFailure, "apt's list of sources is too long", ""};
  }
  if (auto written = write_all(pipe->write.get(), text); !written) return written.error();
  return std::move(pipe->read);
}

}  // namespace

Result<std::unique_ptr<Bootstrap>> Bootstrap::start(const DefaultImageRecipe& recipe, Progress progress,
                                                    Cancelled cancelled) {
  if (const auto program = find_program("mmdebstrap"); !program) {
    return program.error().with_hint("apt-get install mmdebstrap");
  }
  const auto sources = pipe_with(recipe.apt_sources);
  if (!sources) return sources.error();
  auto tar = make_pipe();
  if (!tar) return tar.error();
  ::fcntl(tar->read.get(), F_SETPIPE_SZ, kPipeBytes);  // only faster
  auto messages = make_pipe();
  if (!messages) return messages.error();
  // A group of its own, so that stop() reaches apt and dpkg as Ctrl-C on a terminal would.
  auto child = ChildProcess::spawn({.argv = mmdebstrap_command(recipe),
                                    .environment = environment(),
                                    .working_dir = "/",
                                    .fds = {{STDIN_FILENO, sources->get()},
                                            {STDOUT_FILENO, tar->write.get()},
                                            {STDERR_FILENO, messages->write.get()}},
                                    .group = ChildSpec::Group::kOwnGroup,
                                    .death_signal = SIGTERM});
  if (!child) return child.error();
  return std::unique_ptr<Bootstrap>(new Bootstrap(*std::move(child), std::move(tar->read),
                                                  std::move(messages->read), std::move(progress),
                                                  std::move(cancelled)));
}

Bootstrap::Bootstrap(ChildProcess child, UniqueFd tar, UniqueFd messages, Progress progress,
                     Cancelled cancelled)
    : child_(std::move(child)),
      tar_(std::move(tar)),
      messages_(std::move(messages)),
      progress_(std::move(progress)),
      cancelled_(std::move(cancelled)) {}

Bootstrap::~Bootstrap() {
  stop();
}

ByteSource Bootstrap::source() {
  return [this](std::span<std::byte> into) { return read(into); };
}

Result<std::size_t> Bootstrap::read(std::span<std::byte> into) {
  if (auto ready = wait_for_tar(); !ready) return ready.error();
  ssize_t count = -1;
  do count = ::read(tar_.get(), into.data(), into.size());
  while (count < 0 && errno == EINTR);
  if (count < 0) return errno_error("read from mmdebstrap");
  ended_ = count == 0;
  return static_cast<std::size_t>(count);
}

Result<void> Bootstrap::wait_for_tar() {
  for (;;) {
    if (cancelled_ && cancelled_()) return Error{ErrorCode::kFailure, "interrupted", ""};
    std::array<pollfd, 2> entries{{{tar_.get(), POLLIN, 0}, {messages_.get(), POLLIN, 0}}};
    const int ready = ::poll(entries.data(), entries.size(), kLookMilliseconds);
    if (ready < 0 && errno != EINTR) return errno_error("poll");
    if (ready <= 0) continue;
    if (entries[1].revents != 0) read_messages();
    if (entries[0].revents != 0) return {};
  }
}

void Bootstrap::read_messages() {
  std::array<char, 4096> buffer;
  const ssize_t count = ::read(messages_.get(), buffer.data(), buffer.size());
  if (count < 0 && errno == EINTR) return;
  if (count <= 0) {
    messages_.reset();
    return;
  }
  unfinished_.append(buffer.data(), static_cast<std::size_t>(count));
  for (std::size_t end = unfinished_.find('\n'); end != std::string::npos; end = unfinished_.find('\n')) {
    take_line(unfinished_.substr(0, end));
    unfinished_.erase(0, end + 1);
  }
}

void Bootstrap::take_line(const std::string& line) {
  if (line.empty()) return;
  if (complaint_.empty() && line.compare(0, 3, "E: ") == 0) complaint_ = line.substr(3);
  last_lines_.push_back(line);
  if (last_lines_.size() > kLastLines) last_lines_.pop_front();
  if (!progress_ || line.compare(0, 3, "I: ") != 0) return;
  const bool is_script = line.find("--customize-hook") != std::string::npos;  // it would be shown in full
  progress_(is_script ? "adding the user and settings..." : line.substr(3));
}

Result<void> Bootstrap::finish() {
  tar_.reset();
  while (messages_) read_messages();
  const auto status = child_.wait();
  if (!status) return status.error();
  if (status->success()) return {};
  const std::string words = complaint_.empty() ? fmt::format("{}", fmt::join(last_lines_, "; ")) : complaint_;
  return Error{
      ErrorCode::kFailure, fmt::format("mmdebstrap {}: {}", status->describe(), words),
      ::geteuid() == 0 ? "" : "without root, mmdebstrap needs the package uidmap and a range in /etc/subuid"};
}

void Bootstrap::stop() {
  tar_.reset();
  messages_.reset();
  child_.kill(SIGINT);
  // When it ignores that, destroying the child kills it.
  [[maybe_unused]] const auto ended = child_.wait_for(kTimeToCleanUp);
}

}  // namespace tl::storage
