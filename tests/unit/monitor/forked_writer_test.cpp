// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/forked_writer.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <optional>
#include <string>
#include <thread>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include "common/io.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/pipe.hpp"

using namespace tl;
using tl::monitor::ForkedWriter;
using tl::test::Pipe;

namespace {

// Says a byte, or waits for one.
bool say(const Pipe& to) {
  return write_all(to.writing.get(), std::string_view("x")).has_value();
}
bool hear(const Pipe& from) {
  std::byte said{};
  return read_exact(from.reading.get(), std::span(&said, 1)).has_value();
}

asio::awaitable<void> finish_into(ForkedWriter& writer, asio::any_io_executor executor,
                                  std::optional<Result<void>>& into) {
  Result<void> outcome = co_await writer.finish(executor);
  into = std::move(outcome);
}

Result<void> finish(ForkedWriter& writer) {
  asio::io_context context;
  std::optional<Result<void>> outcome;
  asio::co_spawn(context, finish_into(writer, context.get_executor(), outcome), asio::detached);
  context.run_for(std::chrono::minutes(2));
  REQUIRE(outcome);
  return *outcome;
}

bool has_children() {
  return ::waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD;
}

}  // namespace

TEST_CASE("work that another process has done well is done") {
  Pipe out;
  auto writer = ForkedWriter::start([&] {
    return say(out) ? Result<void>() : Result<void>(Error{ErrorCode::kFailure, "pipe", ""});
  });
  REQUIRE(writer);
  CHECK(finish(*writer));
  CHECK(hear(out));
  CHECK_FALSE(has_children());
}

TEST_CASE("work that fails in another process says why, with its code") {
  auto writer = ForkedWriter::start([]() -> Result<void> {
    return Error{ErrorCode::kHostLacks, "save the memory: no space left on device", ""};
  });
  REQUIRE(writer);
  const auto outcome = finish(*writer);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == ErrorCode::kHostLacks);
  CHECK(outcome.error().message == "save the memory: no space left on device");
  CHECK_FALSE(has_children());
}

TEST_CASE("an error's text may be longer than a pipe holds") {
  const std::string text(300'000, 'e');
  auto writer = ForkedWriter::start([&]() -> Result<void> { return Error{ErrorCode::kConflict, text, ""}; });
  REQUIRE(writer);
  const auto outcome = finish(*writer);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().message == text);
}

TEST_CASE("a process that is killed before its work is done is a failure") {
  auto writer = ForkedWriter::start([]() -> Result<void> {
    ::raise(SIGKILL);
    return {};
  });
  REQUIRE(writer);
  const auto outcome = finish(*writer);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().message.find("was killed") != std::string::npos);
  CHECK_FALSE(has_children());
}

TEST_CASE("the writer ends with the object, in the middle of its work") {
  Pipe began;
  Pipe held;
  {
    const auto writer = ForkedWriter::start([&]() -> Result<void> {
      say(began);
      for (;;) ::pause();
    });
    REQUIRE(writer);
    held.writing.reset();
    REQUIRE(hear(began));
  }
  CHECK_FALSE(has_children());
}

TEST_CASE("whoever waits for a writer may go before it is done, and the writer goes with it") {
  Pipe began;
  std::optional<Result<void>> outcome;
  {
    auto writer = ForkedWriter::start([&]() -> Result<void> {
      say(began);
      for (;;) ::pause();
    });
    REQUIRE(writer);
    asio::io_context context;
    asio::co_spawn(context, finish_into(*writer, context.get_executor(), outcome), asio::detached);
    context.poll();
    REQUIRE(hear(began));
  }
  CHECK_FALSE(outcome);
  CHECK_FALSE(has_children());
}

TEST_CASE("a writer that was moved belongs to its new owner only") {
  auto writer = ForkedWriter::start([] { return Result<void>(); });
  REQUIRE(writer);
  std::optional<ForkedWriter> kept(*std::move(writer));
  { const Result<ForkedWriter> emptied = std::move(writer); }
  CHECK(finish(*kept));
  kept.reset();
  CHECK_FALSE(has_children());
}

TEST_CASE("a writer sees the memory as it was at the fork, whatever is written meanwhile") {
  constexpr std::size_t kBytes = 4 << 20;
  void* const mapped = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(mapped != MAP_FAILED);
  const std::span<char> memory(static_cast<char*>(mapped), kBytes);
  std::fill(memory.begin(), memory.end(), 'a');
  Pipe changed;
  auto writer = ForkedWriter::start([&]() -> Result<void> {
    if (!hear(changed)) return Error{ErrorCode::kFailure, "pipe", ""};
    for (const char byte : memory) {
      if (byte != 'a') return Error{ErrorCode::kFailure, "the memory has changed", ""};
    }
    memory[0] = 'c';
    return {};
  });
  REQUIRE(writer);
  std::fill(memory.begin(), memory.end(), 'b');
  REQUIRE(say(changed));
  const auto outcome = finish(*writer);
  INFO((outcome ? "" : outcome.error().message));
  CHECK(outcome);
  CHECK(memory[0] == 'b');
  ::munmap(mapped, kBytes);
}

TEST_CASE("a writer does its work while the threads that it did not take along go on") {
  std::atomic<bool> ending = false;
  std::thread busy([&] {
    while (!ending) delete new std::string(1000, 'x');
  });
  for (int round = 0; round < 20; ++round) {
    auto writer = ForkedWriter::start([]() -> Result<void> {
      std::string text;
      for (int i = 0; i < 1000; ++i) text += std::to_string(i);
      return Error{ErrorCode::kNotFound, text, ""};
    });
    REQUIRE(writer);
    CHECK(finish(*writer).error().code == ErrorCode::kNotFound);
  }
  ending = true;
  busy.join();
}
