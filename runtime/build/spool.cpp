// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/spool.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/io.hpp"

namespace tl::build {
namespace {

constexpr std::size_t kBuffer = 256 * 1024;

}  // namespace

Result<Spool> Spool::create(std::uint64_t most_bytes) {
  const char* given = ::getenv("TMPDIR");
  const std::string folder = given != nullptr && *given == '/' ? given : "/var/tmp";
  auto mover = std::make_unique<Mover>();
  mover->file.reset(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!mover->file && (errno == EOPNOTSUPP || errno == EISDIR)) {  // a file system that cannot do that
    std::string name = folder + "/tl-build-XXXXXX";
    mover->file.reset(::mkostemp(name.data(), O_CLOEXEC));
    if (mover->file) ::unlink(name.c_str());
  }
  if (!mover->file) return errno_error("make a temporary file in " + folder);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("make a pipe");
  mover->reading.reset(ends[0]);
  mover->left = most_bytes;
  UniqueFd writing(ends[1]);
  ::fcntl(writing.get(), F_SETFL, O_NONBLOCK);
  return Spool(std::move(mover), std::move(writing));
}

Spool::Spool(std::unique_ptr<Mover> mover, UniqueFd writing)
    : mover_(std::move(mover)),
      writing_(std::move(writing)),
      thread_([mover_of = mover_.get()] { mover_of->run(); }) {}

Spool::~Spool() {
  writing_.reset();
  if (thread_.joinable()) thread_.join();
}

void Spool::Mover::run() {
  std::vector<std::byte> buffer(kBuffer);
  for (;;) {
    const ssize_t n = ::read(reading.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) outcome = errno_error("read from the sandbox");
    if (n <= 0) break;
    const auto bytes = std::span(buffer).first(static_cast<std::size_t>(n));
    if (bytes.size() > left)
      outcome = Error{ErrorCode::kFailure, "the sandbox gave more than its disk can hold", ""};
    if (outcome) outcome = write_all(file.get(), bytes);
    if (!outcome) break;
    left -= bytes.size();
  }
  reading.reset();  // whoever writes learns of it
}

Result<int> Spool::finish() {
  writing_.reset();
  thread_.join();
  if (!mover_->outcome) return mover_->outcome.error();
  if (::lseek(mover_->file.get(), 0, SEEK_SET) != 0) return errno_error("go back in a temporary file");
  return mover_->file.get();
}

}  // namespace tl::build
