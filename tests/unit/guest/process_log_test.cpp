// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/process_log.hpp"

#include <string>
#include <string_view>

#include <asio/io_context.hpp>

#include "tests/support/catch.hpp"

using namespace tl::guest;

namespace {

using Stream = LogPiece::Stream;

struct Fixture {
  asio::io_context io;
  ProcessLog log{io.get_executor(), 4096};

  void write(std::string_view text, Stream stream = Stream::kStdout) {
    log.append(stream, std::as_bytes(std::span(text)), std::chrono::nanoseconds(++clock));
  }
  std::string from(ProcessLog::Place place) const {
    std::string text;
    while (const auto piece = log.next(place)) text += piece->bytes;
    return text;
  }
  std::string last(std::uint64_t lines) const { return from(log.last_lines(lines)); }
  int clock = 0;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a log gives back what was written, with stream and time") {
  CHECK(from(log.begin()).empty());
  write("one\n");
  write("two\n", Stream::kStderr);
  auto place = log.begin();
  CHECK(log.next(place)->stream == Stream::kStdout);
  const auto second = log.next(place);
  REQUIRE(second);
  CHECK(second->stream == Stream::kStderr);
  CHECK(second->time.count() == 2);
  CHECK(second->bytes == "two\n");
  CHECK_FALSE(log.next(place));
  write("three");
  CHECK(log.next(place)->bytes == "three");
}

TEST_CASE_METHOD(Fixture, "the last lines are counted across pieces and streams") {
  write("a\nb");
  write("b\n", Stream::kStderr);
  write("c\n\nd");
  CHECK(last(0).empty());
  CHECK(last(1) == "d");
  CHECK(last(2) == "\nd");
  CHECK(last(3) == "c\n\nd");
  CHECK(last(4) == "bb\nc\n\nd");
  CHECK(last(5) == "a\nbb\nc\n\nd");
  CHECK(last(1'000'000) == "a\nbb\nc\n\nd");
  write("\n");
  CHECK(last(1) == "d\n");
}

TEST_CASE_METHOD(Fixture, "a full log forgets the oldest pieces, however small they are") {
  for (int i = 0; i < 10'000; ++i) write(std::to_string(i) + "\n");
  CHECK(log.cost() <= 4096);
  CHECK(last(1) == "9999\n");
  const std::string all = from(log.begin());
  CHECK(all.size() > 64);
  CHECK(all.ends_with("9998\n9999\n"));
}

TEST_CASE_METHOD(Fixture, "a reader whose place was forgotten goes on at the oldest there is") {
  write("old");
  auto place = log.begin();
  for (int i = 0; i < 1000; ++i) write("x");
  const auto piece = log.next(place);
  REQUIRE(piece);
  CHECK(piece->bytes == "x");
  log.forget();
  CHECK(log.cost() == 0);
  CHECK_FALSE(log.next(place));
  write("new");
  CHECK(log.next(place)->bytes == "new");
}

TEST_CASE_METHOD(Fixture, "long output is kept in pieces that fit into a message") {
  ProcessLog large(io.get_executor());
  const std::string text(3 * kMaxLogPiece + 1, 'x');
  large.append(Stream::kStdout, std::as_bytes(std::span(text)), std::chrono::nanoseconds(1));
  auto place = large.begin();
  std::size_t bytes = 0;
  while (const auto piece = large.next(place)) {
    CHECK(piece->bytes.size() <= kMaxLogPiece);
    bytes += piece->bytes.size();
  }
  CHECK(bytes == text.size());
}
