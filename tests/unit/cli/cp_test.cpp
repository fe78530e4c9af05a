// SPDX-License-Identifier: Apache-2.0
#include <csignal>

#include "cli/file_place.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/cli/command_line.hpp"

using tl::cli::parse_file_place;
using tl::cli::test::CommandLine;
using tl::cli::test::Leads;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a colon before any slash, and not at the beginning, tells a place in a sandbox") {
  struct Row {
    std::string word, sandbox, path;  // no sandbox: here
  };
  for (const Row& row : {Row{"web:/srv/x", "web", "/srv/x"}, Row{"web:x", "web", "x"}, Row{"web:", "web", ""},
                         Row{"web:a:b", "web", "a:b"}, Row{"web::", "web", ":"}, Row{"./a:b", "", "./a:b"},
                         Row{"/a:b", "", "/a:b"}, Row{"dir/a:b", "", "dir/a:b"}, Row{":x", "", ":x"},
                         Row{"x", "", "x"}, Row{"-", "", "-"}, Row{"web:-", "web", "-"}}) {
    INFO(row.word);
    const auto place = parse_file_place(row.word);
    REQUIRE(place);
    CHECK(place->sandbox.value_or("") == row.sandbox);
    CHECK(place->path == row.path);
  }
  CHECK(parse_file_place("").error().code == tl::ErrorCode::kOutOfRange);
}

TEST_CASE("cp says on stderr what it has copied, and nothing on stdout") {
  CommandLine tl;
  tl.state->copied = {42, {"left out x"}};
  const auto outcome = tl({"sbx", "cp", "-r", "./a", "web:b\x1b"});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.out.empty());
  CHECK(outcome.error == "Warning: left out x\n./a -> web:b? (42 bytes)\n");
  CHECK_FALSE(tl.state->last_file_copy->from.sandbox);
  CHECK(tl.state->last_file_copy->to.sandbox == "web");
  CHECK_FALSE(tl.state->last_file_copy->moved);
}

TEST_CASE("cp shows bytes and rate on a terminal") {
  CommandLine tl;
  const auto outcome = tl({"sbx", "cp", "web:a", "b"}, Leads::kToTerminals);
  CHECK(outcome.exit_code == 0);
  CHECK(contains(outcome.error, "3.0 MiB, "));
  CHECK(contains(outcome.error, "/s..."));
}

TEST_CASE("cp takes - for stdin and stdout") {
  CommandLine tl;
  CHECK(tl({"sbx", "cp", "-", "web:a"}).exit_code == 0);
  CHECK(tl.state->last_file_copy->from.path == "-");
  CHECK(tl({"sbx", "cp", "web:a", "-"}).exit_code == 0);
  tl.state->copied.complete = false;
  const auto outcome = tl({"sbx", "cp", "web:a", "-"});
  CHECK(outcome.exit_code == 128 + SIGPIPE);
  CHECK(outcome.error.empty());
}

TEST_CASE("cp without a sandbox is a mistake of the command line") {
  CommandLine tl;
  const auto outcome = tl({"sbx", "cp", "a", "b"});
  CHECK(outcome.exit_code == 2);
  CHECK(contains(outcome.error, "neither SRC nor DEST is in a sandbox"));
  CHECK(contains(outcome.error, "hint:"));
  CHECK(tl({"sbx", "cp", "", "web:b"}).exit_code == 5);
  CHECK(tl({"sbx", "cp", "a"}).exit_code == 2);
  CHECK_FALSE(tl.state->last_file_copy);
}

TEST_CASE("cp that was interrupted has the signal's exit code") {
  CommandLine tl;
  tl.state->while_busy = [] { ::raise(SIGINT); };
  tl.state->life_cycle_error = tl::Error{tl::ErrorCode::kFailure, "interrupted", ""};
  CHECK(tl({"sbx", "cp", "a", "web:b"}).exit_code == 130);
}

TEST_CASE("cp to a terminal's stdout shows the file and no progress in between") {
  CommandLine tl;
  const auto outcome = tl({"sbx", "cp", "web:a", "-"}, Leads::kToTerminals);
  CHECK(outcome.error == "web:a -> - (0 bytes)\n");
}
