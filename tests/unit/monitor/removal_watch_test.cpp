// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/removal_watch.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::monitor;
using namespace std::chrono_literals;

namespace {

// A watch that somebody waits for.
struct Waiting {
  explicit Waiting(int file) : watch(RemovalWatch::create(io.get_executor(), file)) {
    REQUIRE(watch);
    asio::co_spawn(io, watch->wait(),
                   [this](const std::exception_ptr&, Result<void> result) { noticed = std::move(result); });
    io.poll();
  }

  void until_noticed() {
    while (!noticed) REQUIRE(io.run_one_for(60s) == 1);
    CHECK(*noticed);
  }

  asio::io_context io;
  Result<RemovalWatch> watch;
  std::optional<Result<void>> noticed;
};

}  // namespace

TEST_CASE("the removal of an open file is noticed, and nothing else that happens to it") {
  std::string folder = std::filesystem::temp_directory_path() / "tl-removal-XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const auto path = std::filesystem::path(folder) / "file";
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(file);
  Waiting waiting(file.get());
  REQUIRE(::chmod(path.c_str(), 0644) == 0);
  std::filesystem::rename(path, path.string() + ".moved");
  std::filesystem::create_hard_link(path.string() + ".moved", path);
  std::filesystem::remove(path);
  waiting.io.poll();
  CHECK_FALSE(waiting.noticed);
  std::filesystem::remove_all(folder);
  waiting.until_noticed();
}

TEST_CASE("a file that was removed before anybody watched is noticed too") {
  std::string path = std::filesystem::temp_directory_path() / "tl-removal-XXXXXX";
  const UniqueFd file(::mkstemp(path.data()));
  REQUIRE(file);
  std::filesystem::remove(path);
  Waiting waiting(file.get());
  waiting.until_noticed();
  CHECK_FALSE(RemovalWatch::create(waiting.io.get_executor(), 1'000'000));
}
