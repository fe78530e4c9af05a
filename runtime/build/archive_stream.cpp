// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/archive_stream.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "common/unique_fd.hpp"

namespace tl::build {

Result<Archived> stream_archive(const std::function<Result<Archived>(int fd)>& give,
                                const std::function<Result<std::string>(int fd)>& take) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("make a pipe");
  UniqueFd reading(ends[0]);
  std::optional<Result<Archived>> given;
  std::thread giver([&given, &give, writing = UniqueFd(ends[1])]() mutable {
    given = give(writing.get());
    writing.reset();
  });
  const auto taken = take(reading.get());
  reading.reset();
  giver.join();
  // A giver whose reader has gone is no cause.
  if (!*given) return given->error();
  if (!taken) return taken.error();
  if (!(*given)->complete) return Error{ErrorCode::kFailure, "the sandbox did not take the whole copy", ""};
  return *given;
}

}  // namespace tl::build
