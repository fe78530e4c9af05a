// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "tests/unit/guest/agent_process.hpp"
#include "tests/unit/guest/copy_support.hpp"

// The agent's end of a copy, over the link.

using namespace tl;
using namespace tl::guest;
using namespace tl::guest::test;

namespace {

struct Fixture {
  asio::io_context io;
  AgentProcess agent;
  std::unique_ptr<AgentClient> client = agent.connect(io);
  Folder folder;

  Outcome move(FilesRequest request, std::string input = "") {
    request.user = std::to_string(::getuid()) + ":" + std::to_string(::getgid());
    request.working_directory = folder.path;
    return run(io, move_files(client.get(), std::move(request), std::move(input)));
  }
};

int code_of(const Outcome& outcome) {
  return outcome.exit && outcome.exit->kind == ExecExit::Kind::kExited ? outcome.exit->value : -1;
}

FilesRequest request(FilesRequest::Operation operation, FilesRequest::Form form, std::string path) {
  FilesRequest request;
  request.operation = operation;
  request.form = form;
  request.path = std::move(path);
  return request;
}

constexpr auto kPut = FilesRequest::Operation::kPut;
constexpr auto kGet = FilesRequest::Operation::kGet;
constexpr auto kArchive = FilesRequest::Form::kArchive;
constexpr auto kBytes = FilesRequest::Form::kBytes;

}  // namespace

TEST_CASE_METHOD(Fixture, "a tree goes in, and comes out again as the same archive") {
  Tar tar;
  tar.folder("copy").file("copy/a", std::string(500'000, 'a')).link("copy/l", "a");
  const auto put = move(request(kPut, kArchive, "new/tree"), tar.take());
  CHECK(put.err.empty());
  REQUIRE(code_of(put) == 0);
  CHECK(put.out == "500000");
  CHECK(folder.read("new/tree/a").size() == 500'000);
  const auto got = move(request(kGet, kArchive, "new/tree"));
  REQUIRE(code_of(got) == 0);
  const Folder to;
  REQUIRE(unpack_bytes(got.out, {to / "back", "tree"}));
  CHECK(to.names() == std::vector<std::string>{"back", "back/a", "back/l"});
}

TEST_CASE_METHOD(Fixture, "one file's bytes go in as chunks and come out as they are") {
  const std::string chunks("\0\0\0\5hello\0\0\0\0", 13);
  const auto put = move(request(kPut, kBytes, "file"), chunks);
  REQUIRE(code_of(put) == 0);
  CHECK(put.out == "5");
  const auto got = move(request(kGet, kBytes, "file"));
  REQUIRE(code_of(got) == 0);
  CHECK(got.out == "hello");
}

TEST_CASE_METHOD(Fixture, "what cannot be done is a number of an error's kind and a sentence") {
  folder.write("file", "old");
  const auto missing = move(request(kGet, kArchive, "none"));
  CHECK(code_of(missing) == static_cast<int>(ErrorCode::kNotFound));
  CHECK(missing.err == "there is no file or folder none");
  const auto short_one = move(request(kPut, kBytes, "file"), std::string("\0\0\0\5he", 6));
  CHECK(code_of(short_one) == static_cast<int>(ErrorCode::kFailure));
  Tar tar;
  const auto in_the_way = move(request(kPut, kArchive, "file"), tar.folder("copy").take());
  CHECK(code_of(in_the_way) == static_cast<int>(ErrorCode::kConflict));
  CHECK(folder.read("file") == "old");
}

TEST_CASE_METHOD(Fixture, "a client that goes away in the middle of a put leaves what was there") {
  folder.write("file", "old");
  Tar tar;
  const std::string bytes = tar.file("copy", std::string(200'000, 'n')).take();
  {
    const auto stream = client->open_stream(kFilesPath).value();
    FilesRequest put = request(kPut, kArchive, "file");
    put.user = std::to_string(::getuid()) + ":" + std::to_string(::getgid());
    put.working_directory = folder.path;
    stream->write_now(encode_frame(FrameKind::kStart, encode(put)));
    stream->write_now(encode_frame(FrameKind::kStdin, std::as_bytes(std::span(bytes).first(60'000))));
    run(io, keep_going([](auto link) -> asio::awaitable<void> {
          const auto status = co_await link->status();
          static_cast<void>(status);
        }(stream)));
  }
  // Behind it in the agent's loop.
  const auto got = move(request(kGet, kBytes, "file"));
  CHECK(got.out == "old");
  ::usleep(200'000);
  CHECK(folder.names() == std::vector<std::string>{"file"});
  CHECK(folder.read("file") == "old");
}

TEST_CASE_METHOD(Fixture, "a request that is none is refused") {
  const auto stream = client->open_stream(kFilesPath).value();
  stream->write_now(encode_frame(FrameKind::kStart, encode(command({"true"}))));
  const auto outcome = run(io, collect(stream));
  REQUIRE(outcome.failure);
  CHECK(outcome.failure->kind == ExecFailure::Kind::kOther);
}
