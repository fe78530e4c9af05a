// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/protocol/messages.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <string_view>

#include "runtime/guest/protocol/cbor.hpp"
#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::guest;

namespace {

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> result;
  for (const int value : values) result.push_back(static_cast<std::byte>(value));
  return result;
}

ExecRequest full_request() {
  ExecRequest request;
  request.argv = {"printf", "a\nb", "\"q'", "\xC3\xA4", std::string("\xFF\xFE\x80", 3), ""};
  request.environment = {{"A", "1"}, {"B", "x=y"}, {"A", "\xFF"}};
  request.working_directory = "/tmp/\xFF";
  request.user = "1000:100";
  request.stdin_stream = true;
  request.timeout = std::chrono::milliseconds(1500);
  request.terminal = TerminalSize{24, 65535};
  return request;
}

Configuration full_configuration() {
  Configuration configuration;
  configuration.hostname = "web-1";
  configuration.wall_clock = std::chrono::nanoseconds(1'800'000'000'123'456'789);
  configuration.entropy.assign(64, std::byte{0xAB});
  configuration.disk_mib = 10240;
  configuration.machine_id = "0123456789abcdef0123456789abcdef";
  configuration.restored = Restored::kCopied;
  return configuration;
}

// Whatever is done to a message, decoding it ends, and says what is wrong or gives a message.
template <typename Message>
void survives_damage(const Message& message) {
  const auto whole = encode(message);
  REQUIRE(decode<Message>(whole));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CHECK_FALSE(decode<Message>(std::span(whole).first(length)));
  }
  auto longer = whole;
  longer.push_back(std::byte{0});
  CHECK_FALSE(decode<Message>(longer));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      auto damaged = whole;
      damaged[at] ^= static_cast<std::byte>(1 << bit);
      const auto result = decode<Message>(damaged);
      if (!result) CHECK(result.error().code == ErrorCode::kOutOfRange);
    }
  }
}

}  // namespace

namespace {

NetworkSetup network_setup() {
  NetworkSetup network;
  network.mac = std::string("\x02\0\0\0\0\x01", 6);
  network.subnets = {{"\x0a\x01\x02\x03", 24, "\x0a\x01\x02\x01"},
                     {std::string(16, 'a'), 64, std::string(16, 'b')}};
  network.resolvers = {"192.0.2.53", "2001:db8::53"};
  return network;
}

bool refuses_network(const std::function<void(NetworkSetup&)>& spoil) {
  Configuration configuration = full_configuration();
  configuration.network = network_setup();
  spoil(*configuration.network);
  return !decode<Configuration>(encode(configuration));
}

}  // namespace

TEST_CASE("a configuration's network survives the trip, and is checked") {
  Configuration configuration = full_configuration();
  CHECK_FALSE(decode<Configuration>(encode(configuration)).value().network);
  configuration.network = network_setup();
  CHECK(decode<Configuration>(encode(configuration)).value().network == network_setup());
  CHECK(refuses_network([](auto& network) { network.mac = "short"; }));
  CHECK(refuses_network([](auto& network) { network.subnets[0].address = "seven b"; }));
  CHECK(refuses_network([](auto& network) { network.subnets[0].bits = 33; }));
  CHECK(refuses_network([](auto& network) { network.subnets[1].gateway = "four"; }));
  CHECK(refuses_network([](auto& network) { network.subnets.resize(9, network.subnets[0]); }));
  CHECK(refuses_network([](auto& network) { network.resolvers = {"192.0.2.53\noptions evil"}; }));
  CHECK(refuses_network([](auto& network) { network.resolvers = {""}; }));
  CHECK(refuses_network([](auto& network) { network.resolvers.resize(4, "192.0.2.1"); }));
}

TEST_CASE("an exec request comes back as it was, byte for byte") {
  const auto request = full_request();
  const auto back = decode<ExecRequest>(encode(request));
  REQUIRE(back);
  CHECK(back->argv == request.argv);
  CHECK(back->environment == request.environment);
  CHECK(back->working_directory == request.working_directory);
  CHECK(back->user == request.user);
  CHECK(back->stdin_stream);
  CHECK(back->timeout == request.timeout);
}

TEST_CASE("a request without a timeout has none afterwards") {
  ExecRequest request;
  request.argv = {"true"};
  const auto back = decode<ExecRequest>(encode(request));
  REQUIRE(back);
  CHECK_FALSE(back->timeout);
  CHECK_FALSE(back->stdin_stream);
}

TEST_CASE("an exec request that no kernel could carry out is refused") {
  ExecRequest request;
  CHECK_FALSE(decode<ExecRequest>(encode(request)));  // no command
  request.argv = {"true"};
  const auto refuses = [](ExecRequest wrong) { return !decode<ExecRequest>(encode(wrong)); };
  auto wrong = request;
  wrong.argv.push_back(std::string("a\0b", 3));
  CHECK(refuses(wrong));
  wrong = request;
  wrong.environment = {{"", "x"}};
  CHECK(refuses(wrong));
  wrong.environment = {{"A=B", "x"}};
  CHECK(refuses(wrong));
  wrong.environment = {{"A", std::string("\0", 1)}};
  CHECK(refuses(wrong));
  wrong = request;
  wrong.timeout = std::chrono::milliseconds(-1);
  CHECK(refuses(wrong));
}

TEST_CASE("the ends of a command come back as they were") {
  for (const auto kind : {ExecExit::Kind::kExited, ExecExit::Kind::kSignaled, ExecExit::Kind::kTimedOut}) {
    const auto back = decode<ExecExit>(encode(ExecExit{kind, 9}));
    REQUIRE(back);
    CHECK(back->kind == kind);
    CHECK(back->value == 9);
  }
  CHECK_FALSE(decode<ExecExit>(encode(ExecExit{ExecExit::Kind::kExited, 256})));
  CHECK_FALSE(decode<ExecExit>(encode(ExecExit{ExecExit::Kind::kSignaled, 0})));
  CHECK_FALSE(decode<ExecExit>(encode(ExecExit{ExecExit::Kind::kSignaled, 65})));
  const auto failure = decode<ExecFailure>(encode(ExecFailure{ExecFailure::Kind::kNoSuchUser, "no \xFF"}));
  REQUIRE(failure);
  CHECK(failure->kind == ExecFailure::Kind::kNoSuchUser);
  CHECK(failure->message == "no \xFF");
}

TEST_CASE("a configuration and its report come back as they were") {
  const auto configuration = full_configuration();
  const auto back = decode<Configuration>(encode(configuration));
  REQUIRE(back);
  CHECK(back->hostname == "web-1");
  CHECK(back->wall_clock == configuration.wall_clock);
  CHECK(back->entropy == configuration.entropy);
  CHECK(back->disk_mib == 10240);
  CHECK(back->machine_id == configuration.machine_id);
  const auto report = decode<ConfigureReport>(encode(ConfigureReport{"no disk"}));
  REQUIRE(report);
  CHECK(report->error == "no disk");
}

TEST_CASE("a configuration says what the guest was before, or that it has booted") {
  auto configuration = full_configuration();
  for (const auto restored : {Restored::kResumed, Restored::kCopied, Restored::kFresh}) {
    configuration.restored = restored;
    CHECK(decode<Configuration>(encode(configuration)).value().restored == restored);
  }
  configuration.restored.reset();
  CHECK_FALSE(decode<Configuration>(encode(configuration)).value().restored);
}

TEST_CASE("a lease of a frozen file system is neither empty nor endless") {
  const auto lease = [](std::int64_t ms) {
    return decode<FreezeRequest>(encode(FreezeRequest{std::chrono::milliseconds(ms)}));
  };
  CHECK(lease(1).value().lease == std::chrono::milliseconds(1));
  CHECK(lease(60'000).value().lease == kMaxFreezeLease);
  CHECK_FALSE(lease(0));
  CHECK_FALSE(lease(-1));
  CHECK_FALSE(lease(60'001));
}

TEST_CASE("a configuration out of range is refused") {
  const auto refuses = [](const Configuration& wrong) { return !decode<Configuration>(encode(wrong)); };
  auto wrong = full_configuration();
  wrong.hostname = "a b";
  CHECK(refuses(wrong));
  wrong = full_configuration();
  wrong.hostname.clear();
  CHECK(refuses(wrong));
  wrong = full_configuration();
  wrong.entropy.resize(31);
  CHECK(refuses(wrong));
  wrong.entropy.resize(513);
  CHECK(refuses(wrong));
  wrong = full_configuration();
  wrong.machine_id[3] = 'G';
  CHECK(refuses(wrong));
  wrong = full_configuration();
  wrong.wall_clock = std::chrono::nanoseconds(-1);
  CHECK(refuses(wrong));
}

TEST_CASE("metrics come back as they were and nonsense is refused") {
  Metrics metrics{1, 2, 3, std::numeric_limits<std::uint64_t>::max(), 5, 0.25, std::chrono::milliseconds(77)};
  const auto back = decode<Metrics>(encode(metrics));
  REQUIRE(back);
  CHECK(back->memory_total_bytes == 1);
  CHECK(back->disk_free_bytes == std::numeric_limits<std::uint64_t>::max());
  CHECK(back->load_1min == 0.25);
  CHECK(back->uptime == std::chrono::milliseconds(77));
  metrics.load_1min = std::nan("");
  CHECK_FALSE(decode<Metrics>(encode(metrics)));
  metrics.load_1min = -1;
  CHECK_FALSE(decode<Metrics>(encode(metrics)));
}

TEST_CASE("every truncation and every flipped bit of a message is survived") {
  survives_damage(full_request());
  survives_damage(ExecStarted{77});
  survives_damage(ExecExit{ExecExit::Kind::kSignaled, 9});
  survives_damage(ExecFailure{ExecFailure::Kind::kNotFound, "exec foo: No such file or directory"});
  survives_damage(full_configuration());
  survives_damage(ConfigureReport{"no"});
  survives_damage(FreezeRequest{std::chrono::milliseconds(1000)});
  survives_damage(Metrics{1, 2, 3, 4, 5, 0.5, std::chrono::milliseconds(6)});
}

TEST_CASE("CBOR that would exhaust a reader is refused before anything is built") {
  const std::size_t many = 2 * 1024 * 1024;
  const auto refuses = [](const std::vector<std::byte>& item) { return !cbor::check(item); };
  SECTION("nested arrays") {
    CHECK(refuses(std::vector<std::byte>(many, std::byte{0x81})));
  }
  SECTION("nested maps") {
    CHECK(refuses(std::vector<std::byte>(many, std::byte{0xA1})));
  }
  SECTION("nested indefinite arrays") {
    CHECK(refuses(std::vector<std::byte>(many, std::byte{0x9F})));
  }
  SECTION("nested indefinite text") {
    CHECK(refuses(std::vector<std::byte>(many, std::byte{0x7F})));
  }
  SECTION("nested indefinite bytes") {
    CHECK(refuses(std::vector<std::byte>(many, std::byte{0x5F})));
  }
  SECTION("nested tags") {
    CHECK(refuses(std::vector<std::byte>(many, std::byte{0xC0})));
  }
  SECTION("an array of more items than allowed") {
    auto item = bytes({0x9A, 0x00, 0x10, 0x00, 0x00});
    item.resize(item.size() + many, std::byte{0});
    CHECK(refuses(item));
  }
  SECTION("lengths that overflow") {
    CHECK(refuses(bytes({0x5B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})));
    CHECK(refuses(bytes({0x9B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})));
    CHECK(refuses(bytes({0xBB, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01})));
    CHECK(refuses(bytes({0x58, 0x05, 0x00})));
  }
  SECTION("the deepest that is allowed") {
    std::vector<std::byte> item(cbor::kMaxDepth, std::byte{0x81});
    item.push_back(std::byte{0});
    CHECK(cbor::check(item));
    item.insert(item.begin(), std::byte{0x81});
    CHECK(refuses(item));
  }
}

TEST_CASE("CBOR that is sound is accepted") {
  CHECK(cbor::check(bytes({0xA0})));
  CHECK(cbor::check(bytes({0x80})));
  CHECK(cbor::check(bytes({0xA1, 0x61, 'a', 0x80})));
  CHECK(cbor::check(bytes({0x82, 0x80, 0xA0})));
  CHECK(cbor::check(bytes({0xFB, 0, 0, 0, 0, 0, 0, 0, 0})));
  CHECK_FALSE(cbor::check({}));
  CHECK_FALSE(cbor::check(bytes({0x80, 0x80})));
}

TEST_CASE("messages about sessions come back as they were") {
  const TerminalList list{
      {{412, "bash -l \xFF", std::chrono::nanoseconds(1'800'000'000'000'000'000), 2, {24, 80}},
       {2'147'483'647, "", std::chrono::nanoseconds(0), 0, {65535, 1}}}};
  const auto back = decode<TerminalList>(encode(list));
  REQUIRE(back);
  REQUIRE(back->terminals.size() == 2);
  CHECK(back->terminals[0].command == list.terminals[0].command);
  CHECK(back->terminals[0].started == list.terminals[0].started);
  CHECK(back->terminals[0].clients == 2);
  CHECK(back->terminals[1].size == list.terminals[1].size);
  const auto attach = decode<AttachRequest>(encode(AttachRequest{7, {30, 100}}));
  REQUIRE(attach);
  CHECK(attach->session == 7);
  CHECK(attach->size == TerminalSize{30, 100});
  CHECK(decode<TerminalId>(encode(TerminalId{7}))->session == 7);
}

TEST_CASE("messages about sessions are checked") {
  survives_damage(TerminalList{{{412, "bash", std::chrono::nanoseconds(1), 2, {24, 80}}}});
  survives_damage(AttachRequest{412, {24, 80}});
  survives_damage(TerminalId{412});
  CHECK_FALSE(decode<TerminalId>(encode(TerminalId{0})));
  CHECK_FALSE(decode<TerminalId>(encode(TerminalId{1LL << 31})));
  CHECK_FALSE(decode<AttachRequest>(encode(AttachRequest{1, {0, 80}})));
  TerminalList list{{{1, std::string(kMaxShownCommand + 1, 'x'), {}, 0, {}}}};
  CHECK_FALSE(decode<TerminalList>(encode(list)));
  list.terminals.assign(kMaxTerminals + 1, TerminalInfo{1, "x", {}, 0, {}});
  CHECK_FALSE(decode<TerminalList>(encode(list)));
}
