// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/spool.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>

#include "common/io.hpp"
#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::build;

namespace {

// What of it was taken before nobody took any more.
std::size_t put(int fd, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    pollfd wait{fd, POLLOUT, 0};
    ::poll(&wait, 1, -1);
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n > 0) done += static_cast<std::size_t>(n);
    if (n < 0 && errno == EPIPE) break;
  }
  return done;
}

}  // namespace

TEST_CASE("a spool gives back what was written to it") {
  auto spool = Spool::create(1 << 20);
  REQUIRE(spool);
  const std::string text(300'000, 'x');
  CHECK(put(spool->writing_end(), text) == text.size());
  const auto file = spool->finish();
  REQUIRE(file);
  CHECK(*read_regular(*file, 1 << 20) == text);
}

TEST_CASE("a spool takes no more than it may, and whoever writes learns of it") {
  ::signal(SIGPIPE, SIG_IGN);
  auto spool = Spool::create(100'000);
  REQUIRE(spool);
  CHECK(put(spool->writing_end(), std::string(5'000'000, 'x')) < 5'000'000);
  const auto file = spool->finish();
  REQUIRE_FALSE(file);
  CHECK(file.error().message == "the sandbox gave more than its disk can hold");
}

TEST_CASE("a spool that nobody asks for is simply gone") {
  auto spool = Spool::create(100);
  REQUIRE(spool);
  CHECK(put(spool->writing_end(), "x") == 1);
}
