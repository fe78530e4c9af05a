// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/qmp_client.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "common/io.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/machine/support.hpp"

using namespace tl;
using namespace tl::machine;
using nlohmann::json;

namespace {

constexpr const char* kGreeting = R"({"QMP": {"version": {}, "capabilities": ["oob"]}})"
                                  "\r\n";

// A client and the other end of its connection, on which the test plays QEMU.
struct Fixture {
  Fixture() {
    auto ends = stream_socket_pair();
    qemu = std::move(ends->second);
    client = *QmpClient::create(
        context.get_executor(), std::move(ends->first),
        [this](const std::string& name, const json& data) { events.emplace_back(name, data); });
    ended = test::begin(context, QmpClient::run(client));
  }
  ~Fixture() {
    client->close();
    context.restart();
    context.run();
  }

  void say(const std::string& text) {
    REQUIRE(write_all(qemu.get(), text));
    settle();
  }
  void settle() {
    context.restart();
    for (int idle = 0; idle < 2;) idle = context.poll() == 0 ? idle + 1 : 0;
  }
  // What the client has sent since the last time, as messages.
  std::vector<json> heard() {
    settle();
    std::string text(64 << 10, '\0');
    const ssize_t n = ::recv(qemu.get(), text.data(), text.size(), MSG_DONTWAIT);
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    std::vector<json> messages;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = text.find('\n', begin);
      messages.push_back(json::parse(text.substr(begin, end - begin)));
      begin = end + 1;
    }
    return messages;
  }
  void negotiate() {
    say(kGreeting);
    const auto messages = heard();
    REQUIRE(messages.size() == 1);
    REQUIRE(messages[0]["execute"] == "qmp_capabilities");
    say(R"({"return": {}, "id": 0})"
        "\r\n");
  }
  test::Later<Result<json>> execute(const std::string& command, json arguments = json::object()) {
    auto reply = test::begin(context, QmpClient::execute(client, command, std::move(arguments)));
    settle();
    return reply;
  }

  asio::io_context context;
  UniqueFd qemu;
  std::shared_ptr<QmpClient> client;
  std::vector<std::pair<std::string, json>> events;
  test::Later<Result<void>> ended;
};

}  // namespace

TEST_CASE("a command waits for the negotiation and gets its answer") {
  Fixture fixture;
  const auto reply = fixture.execute("stop");
  CHECK(fixture.heard().empty());
  fixture.negotiate();
  const auto sent = fixture.heard();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0]["execute"] == "stop");
  CHECK_FALSE(sent[0].contains("arguments"));
  fixture.say(json{{"return", {{"answer", 42}}}, {"id", sent[0]["id"]}}.dump() + "\n");
  REQUIRE(reply->has_value());
  REQUIRE((*reply)->has_value());
  CHECK((**reply)->at("answer") == 42);
}

TEST_CASE("answers find their commands in any order, with events between them and cut anywhere") {
  Fixture fixture;
  fixture.negotiate();
  const auto first = fixture.execute("one", {{"x", 1}});
  const auto second = fixture.execute("two");
  const auto sent = fixture.heard();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0]["arguments"]["x"] == 1);
  const std::string text = R"({"event": "STOP", "timestamp": {}})"
                           "\r\n" +
                           json{{"return", "b"}, {"id", sent[1]["id"]}}.dump() + "\r\n" +
                           R"({"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}})"
                           "\n" +
                           json{{"return", "a"}, {"id", sent[0]["id"]}}.dump() + "\n";
  for (const char byte : text) fixture.say(std::string(1, byte));
  REQUIRE(first->has_value());
  REQUIRE(second->has_value());
  CHECK(***first == "a");
  CHECK(***second == "b");
  REQUIRE(fixture.events.size() == 2);
  CHECK(fixture.events[0].first == "STOP");
  CHECK(fixture.events[0].second.empty());
  CHECK(fixture.events[1].second["reason"] == "guest-reset");
}

TEST_CASE("an error of QEMU becomes an error that names the command, made printable") {
  Fixture fixture;
  fixture.negotiate();
  const auto reply = fixture.execute("jump");
  const auto id = fixture.heard().at(0)["id"];
  fixture.say(json{{"error", {{"class", "CommandNotFound"}, {"desc", "no \x1b such"}}}, {"id", id}}.dump() +
              "\n");
  REQUIRE(reply->has_value());
  REQUIRE_FALSE((*reply)->has_value());
  CHECK((*reply)->error().message == "jump: QEMU: no ? such");
}

TEST_CASE("replies of a strange form do no harm") {
  Fixture fixture;
  fixture.negotiate();
  const auto reply = fixture.execute("stop");
  const auto id = fixture.heard().at(0)["id"];
  fixture.say(
      "{}\n{\"return\": 1}\n{\"id\": \"x\", \"return\": 1}\n{\"id\": -1}\n{\"id\": 999, \"return\": "
      "{}}\n\n\r\n");
  CHECK_FALSE(reply->has_value());
  fixture.say(json{{"error", 7}, {"id", id}}.dump() + "\n");
  REQUIRE(reply->has_value());
  CHECK((*reply)->error().message == "stop: QEMU: unknown error");
  CHECK_FALSE(fixture.ended->has_value());
}

TEST_CASE("what is not QMP ends the connection with an error and every command with it") {
  for (const char* garbage : {"hello\n", "[1]\n", "{\"event\": 3}\n", "{\"a\n", "\x80\xff\n", "1e999999\n"}) {
    INFO(garbage);
    Fixture fixture;
    fixture.negotiate();
    const auto reply = fixture.execute("stop");
    fixture.say(garbage);
    REQUIRE(fixture.ended->has_value());
    CHECK_FALSE((*fixture.ended)->has_value());
    REQUIRE(reply->has_value());
    CHECK_FALSE((*reply)->has_value());
    const auto later = fixture.execute("cont");
    REQUIRE(later->has_value());
    CHECK_FALSE((*later)->has_value());
  }
}

TEST_CASE("a connection that does not begin with a greeting is refused") {
  Fixture fixture;
  fixture.say("{\"return\": {}}\n");
  REQUIRE(fixture.ended->has_value());
  CHECK_FALSE((*fixture.ended)->has_value());
}

TEST_CASE("a refused negotiation is an error") {
  Fixture fixture;
  fixture.say(kGreeting);
  fixture.say(R"({"error": {"class": "GenericError", "desc": "no"}, "id": 0})"
              "\n");
  REQUIRE(fixture.ended->has_value());
  CHECK_FALSE((*fixture.ended)->has_value());
}

TEST_CASE("a message without end is given up at the bound") {
  Fixture fixture;
  fixture.negotiate();
  const std::string chunk(16 << 10, '[');
  for (std::size_t sent = 0; sent <= QmpClient::kMessageBytes; sent += chunk.size()) {
    if (fixture.ended->has_value()) break;
    fixture.say(chunk);
  }
  REQUIRE(fixture.ended->has_value());
  CHECK_FALSE((*fixture.ended)->has_value());
}

TEST_CASE("a deeply nested message is only another thing that is not QMP") {
  Fixture fixture;
  fixture.negotiate();
  fixture.say("{\"a\": " + std::string(50'000, '[') + "\n");
  REQUIRE(fixture.ended->has_value());
  CHECK_FALSE((*fixture.ended)->has_value());
}

TEST_CASE("the end of QEMU ends the connection without error and the commands with one") {
  Fixture fixture;
  fixture.negotiate();
  const auto reply = fixture.execute("stop");
  fixture.qemu.reset();
  fixture.settle();
  REQUIRE(fixture.ended->has_value());
  CHECK((*fixture.ended)->has_value());
  REQUIRE(reply->has_value());
  CHECK_FALSE((*reply)->has_value());
}

TEST_CASE("an answer that never comes is an error after the timeout, and its late arrival is ignored") {
  Fixture fixture;
  fixture.negotiate();
  const auto reply = test::run(fixture.context, QmpClient::execute(fixture.client, "stop", json::object(),
                                                                   std::chrono::milliseconds(20)));
  REQUIRE_FALSE(reply);
  CHECK(reply.error().message.find("no answer") != std::string::npos);
  const auto id = fixture.heard().at(0)["id"];
  fixture.say(json{{"return", json::object()}, {"id", id}}.dump() + "\n");
  CHECK_FALSE(fixture.ended->has_value());
}

TEST_CASE("a descriptor goes along with its command and no other") {
  Fixture fixture;
  fixture.negotiate();
  UniqueFd file = test::memory_file();
  REQUIRE(write_all(file.get(), "what is in the file"));
  const auto before = fixture.execute("before");
  const auto reply = test::begin(
      fixture.context,
      QmpClient::execute(fixture.client, "getfd", {{"fdname", "x"}}, QmpClient::kTimeout, std::move(file)));
  const auto after = fixture.execute("after");
  std::string text;
  std::size_t with_descriptor = 0;  // bytes read when it came
  UniqueFd got;
  for (;;) {
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (::recvmsg(fixture.qemu.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0) break;
    if (const cmsghdr* rights = CMSG_FIRSTHDR(&message); rights != nullptr) {
      CHECK_FALSE(got);
      int number = -1;
      std::memcpy(&number, CMSG_DATA(rights), sizeof number);
      got.reset(number);
      with_descriptor = text.size();
    }
    text += byte;
  }
  REQUIRE(got);
  CHECK(text.find("before") < with_descriptor);
  CHECK(text.find("getfd") > with_descriptor);
  CHECK(text.find("after") > text.find("getfd"));
  REQUIRE(::lseek(got.get(), 0, SEEK_SET) == 0);
  CHECK(*read_to_end(got.get(), 100) == "what is in the file");
}

TEST_CASE("the greeting tells which QEMU it is, or does not") {
  Fixture fixture;
  CHECK(fixture.client->qemu_version().empty());
  fixture.say(
      R"({"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": "Debian 1:7.2"}}})"
      "\n");
  CHECK(fixture.client->qemu_version() == "7.2.22 (Debian 1:7.2)");
  Fixture upstream;
  upstream.say(R"({"QMP": {"version": {"qemu": {"major": 9, "minor": 0, "micro": 1}, "package": ""}}})"
               "\n");
  CHECK(upstream.client->qemu_version() == "9.0.1");
  for (const char* strange : {"{}", "7", R"({"version": {"qemu": {"major": -1}}})"}) {
    Fixture other;
    other.say(std::string("{\"QMP\": ") + strange + "}\n");
    CHECK(other.client->qemu_version().empty());
    CHECK_FALSE(other.ended->has_value());
  }
}
