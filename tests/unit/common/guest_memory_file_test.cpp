// SPDX-License-Identifier: Apache-2.0
#include "common/guest_memory_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "common/io.hpp"
#include "tests/support/catch.hpp"

using namespace tl;

namespace {

constexpr std::uint64_t kBytes = std::uint64_t{1} << 30;

struct stat status_of(const UniqueFd& file) {
  struct stat status = {};
  REQUIRE(::fstat(file.get(), &status) == 0);
  return status;
}

}  // namespace

TEST_CASE("a guest's memory file has its size and takes memory only where it is written") {
  const auto file = make_guest_memory_file(kBytes);
  REQUIRE(file);
  CHECK(status_of(*file).st_size == static_cast<off_t>(kBytes));
  CHECK(status_of(*file).st_blocks == 0);
  std::array<std::byte, 8> bytes{std::byte{1}};
  REQUIRE(pwrite_all(file->get(), bytes, kBytes - bytes.size()));
  CHECK(status_of(*file).st_blocks * 512 == 4096);
  REQUIRE(pread_exact(file->get(), bytes, 4096));
  CHECK(bytes == std::array<std::byte, 8>{});
}

TEST_CASE("a guest's memory file keeps its size and is not inherited") {
  const auto file = make_guest_memory_file(kBytes);
  REQUIRE(file);
  CHECK(::ftruncate(file->get(), 4096) != 0);
  CHECK(errno == EPERM);
  CHECK(::ftruncate(file->get(), static_cast<off_t>(2 * kBytes)) != 0);
  CHECK((::fcntl(file->get(), F_GETFD) & FD_CLOEXEC) != 0);
  // Pages can still be given back.
  CHECK(::fallocate(file->get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0);
}
