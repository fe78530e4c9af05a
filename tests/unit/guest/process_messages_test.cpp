// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/protocol/process_messages.hpp"

#include <string>

#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::guest;

namespace {

ProcessInfo full_info() {
  ProcessInfo info;
  info.pid = 500;
  info.first_pid = 412;
  info.command = "python3 -c \xFF";
  info.name = "web-1";
  info.managed = true;
  info.restart = Detachment::Restart::kOnFailure;
  info.restarts = 3;
  info.status = ProcessInfo::Status::kOomKilled;
  info.value = 9;
  info.started = std::chrono::nanoseconds(1'800'000'000'000'000'000);
  info.finished = info.started + std::chrono::seconds(3);
  return info;
}

ExecRequest detached() {
  ExecRequest request;
  request.argv = {"sleep", "1"};
  request.detach = Detachment{"web", Detachment::Restart::kAlways, 7, std::chrono::milliseconds(5),
                              std::chrono::milliseconds(50)};
  return request;
}

// Whatever is done to a message, decoding it ends, and says what is wrong or gives a message.
template <typename Message>
void survives_damage(const Message& message) {
  const auto whole = encode(message);
  REQUIRE(decode<Message>(whole));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CHECK_FALSE(decode<Message>(std::span(whole).first(length)));
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      auto damaged = whole;
      damaged[at] ^= static_cast<std::byte>(1 << bit);
      [[maybe_unused]] const auto decoded = decode<Message>(damaged);
    }
  }
}

}  // namespace

TEST_CASE("messages about processes come back as they were") {
  const auto list = decode<ProcessList>(encode(ProcessList{{full_info(), ProcessInfo{1, 1}}}));
  REQUIRE(list);
  REQUIRE(list->processes.size() == 2);
  const ProcessInfo& info = list->processes[0];
  const ProcessInfo sent = full_info();
  CHECK(info.pid == sent.pid);
  CHECK(info.first_pid == sent.first_pid);
  CHECK(info.command == sent.command);
  CHECK(info.name == sent.name);
  CHECK(info.managed);
  CHECK(info.restart == sent.restart);
  CHECK(info.restarts == sent.restarts);
  CHECK(info.status == sent.status);
  CHECK(info.value == sent.value);
  CHECK(info.started == sent.started);
  CHECK(info.finished == sent.finished);
  CHECK_FALSE(list->processes[1].ended());
  const auto request = decode<ExecRequest>(encode(detached()));
  REQUIRE((request && request->detach));
  CHECK(request->detach->name == "web");
  CHECK(request->listed);
  CHECK(request->detach->restart == Detachment::Restart::kAlways);
  CHECK(request->detach->max_restarts == 7);
  CHECK(request->detach->initial_backoff.count() == 5);
  CHECK(request->detach->max_backoff.count() == 50);
  CHECK(decode<ProcessRequest>(encode(ProcessRequest{"web", 15}))->signal == 15);
  CHECK_FALSE(decode<ProcessRequest>(encode(ProcessRequest{"web", {}}))->signal);
  const auto logs = decode<LogsRequest>(encode(LogsRequest{"12", 0, true}));
  REQUIRE(logs);
  CHECK(logs->process == "12");
  CHECK(logs->tail == 0);
  CHECK(logs->follow);
  const auto piece = decode<LogPiece>(
      encode(LogPiece{LogPiece::Stream::kStderr, std::chrono::nanoseconds(5), std::string("\0\xFF\n", 3)}));
  REQUIRE(piece);
  CHECK(piece->stream == LogPiece::Stream::kStderr);
  CHECK(piece->bytes == std::string("\0\xFF\n", 3));
  const auto answer = decode<ProcessAnswer>(
      encode(ProcessAnswer{ProcessAnswer::Outcome::kNotStarted, 0, std::string(100'000, 'x')}));
  REQUIRE(answer);
  CHECK(answer->outcome == ProcessAnswer::Outcome::kNotStarted);
  CHECK(answer->message.size() == 4096);
}

TEST_CASE("messages about processes are checked") {
  survives_damage(ProcessList{{full_info()}});
  survives_damage(detached());
  survives_damage(ProcessRequest{"web", 15});
  survives_damage(ProcessAnswer{ProcessAnswer::Outcome::kDone, 12, "why"});
  survives_damage(LogsRequest{"web", 10, true});
  survives_damage(LogPiece{LogPiece::Stream::kStdout, std::chrono::nanoseconds(1), "text"});

  const auto refuses = [](auto change) {
    ProcessInfo info = full_info();
    change(info);
    return !decode<ProcessList>(encode(ProcessList{{info}}));
  };
  CHECK(refuses([](ProcessInfo& info) { info.pid = 0; }));
  CHECK(refuses([](ProcessInfo& info) { info.first_pid = 1LL << 31; }));
  CHECK(refuses([](ProcessInfo& info) { info.command.assign(kMaxShownCommand + 1, 'x'); }));
  CHECK(refuses([](ProcessInfo& info) { info.name = "a b"; }));
  CHECK(refuses([](ProcessInfo& info) { info.value = 256; }));
  CHECK(refuses([](ProcessInfo& info) { info.started = std::chrono::nanoseconds(-1); }));
  const std::vector<ProcessInfo> many(kMaxListedProcesses + 1, ProcessInfo{1, 1});
  CHECK_FALSE(decode<ProcessList>(encode(ProcessList{many})));
  CHECK_FALSE(decode<ProcessRequest>(encode(ProcessRequest{"", {}})));
  CHECK_FALSE(decode<ProcessRequest>(encode(ProcessRequest{std::string(64, 'x'), {}})));
  CHECK_FALSE(decode<ProcessRequest>(encode(ProcessRequest{"web", 65})));
  LogPiece piece;
  piece.bytes.assign(kMaxLogPiece + 1, 'x');
  CHECK_FALSE(decode<LogPiece>(encode(piece)));

  const auto refuses_request = [](auto change) {
    ExecRequest request = detached();
    change(request);
    return !decode<ExecRequest>(encode(request));
  };
  CHECK(refuses_request([](ExecRequest& request) { request.stdin_stream = true; }));
  CHECK(refuses_request([](ExecRequest& request) { request.terminal = TerminalSize{}; }));
  CHECK(refuses_request([](ExecRequest& request) { request.timeout = std::chrono::milliseconds(1); }));
  CHECK(refuses_request([](ExecRequest& request) { request.detach->name = "1"; }));
  CHECK(refuses_request([](ExecRequest& request) { request.detach->initial_backoff = {}; }));
  CHECK(refuses_request([](ExecRequest& request) { request.detach->max_backoff = kMaxBackoff * 2; }));
}

TEST_CASE("a process's name is never a number, and safe everywhere") {
  for (const auto* good : {"a", "Web", "web-1", "a.b_c"}) CHECK(is_process_name(good));
  CHECK(is_process_name(std::string(63, 'a')));
  CHECK_FALSE(is_process_name(std::string(64, 'a')));
  for (const auto* bad : {"", "1", "1a", "-a", "a b", "a/b", "\xC3\xA4", "a\n"})
    CHECK_FALSE(is_process_name(bad));
}
