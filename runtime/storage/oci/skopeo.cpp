// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/skopeo.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/child_process.hpp"
#include "common/printable.hpp"
#include "runtime/storage/oci/choice.hpp"

namespace tl::storage::oci {
namespace {

constexpr int kLookMilliseconds = 200;
constexpr std::chrono::seconds kTimeToCleanUp{5};
constexpr std::size_t kMaxLine = 4096;
constexpr std::size_t kMaxShown = 600;

std::vector<std::string> command_for(const std::string& address, RegistryTrust trust) {
  std::vector<std::string> command = {
      "skopeo", "--override-os", "linux", "--override-arch", std::string(host_architecture()), "copy"};
  if (trust == RegistryTrust::kAny) command.emplace_back("--src-tls-verify=false");
  // Relative to the cache: skopeo takes a colon in a path for the end of it.
  command.insert(command.end(), {"--dest-shared-blob-dir", BlobCache::kBlobs, address,
                                 fmt::format("oci:{}:image", BlobCache::kLayout)});
  return command;
}

// `time="…" level=fatal msg="…"` as skopeo writes it, without all but the words; other lines as they are.
std::string words_of(std::string_view line) {
  constexpr std::string_view kMessage = "msg=\"";
  const std::size_t begin = line.find(kMessage);
  if (!line.starts_with("time=") || begin == std::string_view::npos) return std::string(line);
  std::string words;
  for (std::size_t i = begin + kMessage.size(); i < line.size() && line[i] != '"'; ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) ++i;
    words.push_back(line[i]);
  }
  return words;
}

bool has(std::string_view text, std::string_view words) {
  return text.find(words) != std::string_view::npos;
}

Error failure(const ExitStatus& status, const std::string& last) {
  const std::string words = last.empty() ? status.describe() : make_printable(words_of(last), kMaxShown);
  Error error{ErrorCode::kFailure, "skopeo: " + words, ""};
  if (has(words, "manifest unknown") || has(words, "name unknown") || has(words, "no such file or directory"))
    error.code = ErrorCode::kNotFound;
  if (has(words, "HTTP response to HTTPS client") || has(words, "x509:"))
    error.hint = "--insecure takes a registry without a certificate that this machine trusts";
  if (has(words, "unauthorized") || has(words, "authentication required"))
    error.hint = "there may be no such image, or it wants `skopeo login`";
  if (has(words, "no space left on device")) error.code = ErrorCode::kHostLacks;
  return error;
}

class Fetching {
 public:
  Fetching(ChildProcess child, UniqueFd output, const BlobCache& cache, std::uint64_t limit,
           const ImportWatch& watch)
      : child_(std::move(child)), output_(std::move(output)), cache_(cache), limit_(limit), watch_(watch) {}

  Result<void> run() {
    while (output_) {
      if (auto wanted = watch_.check(); !wanted) return stop(wanted.error());
      if (cache_.size_bytes() > limit_) {
        return stop(Error{ErrorCode::kOutOfRange, "the image is larger than the disk",
                          "ask for a larger disk with --disk_mb"});
      }
      pollfd entry{output_.get(), POLLIN, 0};
      const int ready = ::poll(&entry, 1, kLookMilliseconds);
      if (ready < 0 && errno != EINTR) return stop(errno_error("poll"));
      if (ready > 0) read();
    }
    const auto status = child_.wait();
    if (!status) return status.error();
    return status->success() ? Result<void>() : failure(*status, last_);
  }

 private:
  Error stop(const Error& why) {
    child_.kill(SIGTERM);
    // When it ignores that, destroying the child kills it.
    [[maybe_unused]] const auto ended = child_.wait_for(kTimeToCleanUp);
    return why;
  }

  void read() {
    std::array<char, 4096> buffer;
    const ssize_t count = ::read(output_.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) return;
    if (count <= 0) {
      output_.reset();
      return;
    }
    for (const char c : std::string_view(buffer.data(), static_cast<std::size_t>(count))) {
      if (c == '\n' || c == '\r') {
        take_line();
      } else if (line_.size() < kMaxLine) {
        line_.push_back(c);
      }
    }
  }

  void take_line() {
    const std::string line = std::exchange(line_, {});
    if (line.empty()) return;
    last_ = line;
    if (line.starts_with("Copying blob")) watch_.tell(fmt::format("fetching layer {}", ++layers_));
  }

  ChildProcess child_;
  UniqueFd output_;  // stdout and stderr; empty after their end
  const BlobCache& cache_;
  std::uint64_t limit_;
  const ImportWatch& watch_;
  std::string line_;
  std::string last_;
  unsigned layers_ = 0;
};

}  // namespace

Result<void> fetch_image(const std::string& address, RegistryTrust trust, const BlobCache& cache,
                         std::uint64_t most_bytes, const ImportWatch& watch) {
  if (const auto program = find_program("skopeo"); !program) {
    return program.error().with_hint(
        "apt-get install skopeo, or import what `docker save` or another machine's skopeo wrote");
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
  UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  watch.tell("fetching the image");
  const std::uint64_t limit = cache.size_bytes() + most_bytes;
  auto child = ChildProcess::spawn({.argv = command_for(address, trust),
                                    .working_dir = cache.folder(),
                                    .fds = {{STDOUT_FILENO, writing.get()}, {STDERR_FILENO, writing.get()}},
                                    .group = ChildSpec::Group::kOwnGroup,
                                    .death_signal = SIGTERM});
  if (!child) return child.error();
  writing.reset();
  return Fetching(*std::move(child), std::move(reading), cache, limit, watch).run();
}

}  // namespace tl::storage::oci
