// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/nbd_handshake.hpp"

#include <thread>

#include "tests/support/catch.hpp"
#include "tests/unit/storage/nbd_client.hpp"

namespace tl::storage::test {
namespace {

constexpr std::uint64_t kExportBytes = 123 * kMiB;
constexpr std::uint16_t kFlags = 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6;

// One negotiation on a thread of its own.
class Server {
 public:
  explicit Server(UniqueFd socket) : socket_(std::move(socket)) {
    thread_ = std::thread([this] {
      result_ = nbd::negotiate(socket_.get(), kExportBytes);
      socket_.reset();
    });
  }
  ~Server() {
    if (thread_.joinable()) thread_.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  Result<bool> result() {
    thread_.join();
    return result_;
  }

 private:
  UniqueFd socket_;
  Result<bool> result_ = false;
  std::thread thread_;
};

struct Fixture {
  std::pair<UniqueFd, UniqueFd> ends = std::move(*stream_socket_pair());
  Server server{std::move(ends.first)};
  NbdClient client{std::move(ends.second)};
};

}  // namespace

TEST_CASE("a client that goes learns the size, the flags and the block sizes") {
  Fixture f;
  f.client.greet();
  f.client.send_option(nbd::NBD_OPT_GO, NbdClient::go_data("", {nbd::NBD_INFO_BLOCK_SIZE}));
  const auto about_export = f.client.option_reply();
  CHECK(about_export.option == nbd::NBD_OPT_GO);
  nbd::Reader reader(about_export.data);
  CHECK(reader.get<std::uint16_t>() == nbd::NBD_INFO_EXPORT);
  CHECK(reader.get<std::uint64_t>() == kExportBytes);
  CHECK(reader.get<std::uint16_t>() == kFlags);
  CHECK(reader.at_end());
  const auto about_blocks = f.client.option_reply();
  reader = nbd::Reader(about_blocks.data);
  CHECK(reader.get<std::uint16_t>() == nbd::NBD_INFO_BLOCK_SIZE);
  CHECK(reader.get<std::uint32_t>() == 512);
  CHECK(reader.get<std::uint32_t>() == 4096);
  CHECK(reader.get<std::uint32_t>() == nbd::kMaxBlockBytes);
  CHECK(f.client.option_reply().type == nbd::NBD_REP_ACK);
  auto result = f.server.result();
  REQUIRE(result.has_value());
  CHECK(*result);
}

TEST_CASE("a client that asks for information may go on asking") {
  Fixture f;
  f.client.greet();
  for (int i = 0; i < 2; ++i) {
    f.client.send_option(nbd::NBD_OPT_INFO, NbdClient::go_data());
    CHECK(f.client.option_reply().type == nbd::NBD_REP_INFO);
    CHECK(f.client.option_reply().type == nbd::NBD_REP_INFO);
    CHECK(f.client.option_reply().type == nbd::NBD_REP_ACK);
  }
  f.client.send_option(nbd::NBD_OPT_LIST);
  const auto entry = f.client.option_reply();
  CHECK(entry.type == nbd::NBD_REP_SERVER);
  CHECK(entry.data == filled(4, 0));
  CHECK(f.client.option_reply().type == nbd::NBD_REP_ACK);
  f.client.send_option(nbd::NBD_OPT_ABORT);
  CHECK(f.client.option_reply().type == nbd::NBD_REP_ACK);
  CHECK(f.client.is_closed_by_server());
  auto result = f.server.result();
  REQUIRE(result.has_value());
  CHECK(!*result);
}

TEST_CASE("an old client gets the export by name with or without the reserved zeroes") {
  const bool zeroes = GENERATE(false, true);
  Fixture f;
  f.client.greet(zeroes ? nbd::NBD_FLAG_FIXED_NEWSTYLE
                        : nbd::NBD_FLAG_FIXED_NEWSTYLE | nbd::NBD_FLAG_NO_ZEROES);
  f.client.send_option(nbd::NBD_OPT_EXPORT_NAME);
  const Bytes reply = f.client.receive(zeroes ? 134 : 10);
  nbd::Reader reader(reply);
  CHECK(reader.get<std::uint64_t>() == kExportBytes);
  CHECK(reader.get<std::uint16_t>() == kFlags);
  CHECK(f.server.result().has_value());
  CHECK(f.client.is_closed_by_server());
}

TEST_CASE("options that are unknown or malformed are answered and harm nothing") {
  Fixture f;
  f.client.greet();
  for (const std::uint32_t option : {0U, 4U, 5U, 8U, 9U, 10U, 11U, 0xffffffffU}) {
    f.client.send_option(option, filled(100, 7));
    const auto reply = f.client.option_reply();
    CHECK(reply.option == option);
    CHECK(reply.type == nbd::NBD_REP_ERR_UNSUP);
  }
  Bytes longer = NbdClient::go_data();
  longer.push_back(std::byte{0});
  Bytes long_name = NbdClient::go_data();
  long_name[0] = std::byte{0xff};
  for (const Bytes& data : {Bytes(), filled(3, 0), filled(5, 0), filled(7, 0xff), longer, long_name}) {
    f.client.send_option(nbd::NBD_OPT_GO, data);
    CHECK(f.client.option_reply().type == nbd::NBD_REP_ERR_INVALID);
  }
  f.client.send_option(nbd::NBD_OPT_LIST, filled(1, 0));
  CHECK(f.client.option_reply().type == nbd::NBD_REP_ERR_INVALID);
  f.client.send_option(nbd::NBD_OPT_GO, NbdClient::go_data("another"));
  CHECK(f.client.option_reply().type == nbd::NBD_REP_ERR_UNKNOWN);
  f.client.send_option(nbd::NBD_OPT_GO, NbdClient::go_data());
  CHECK(f.client.option_reply().type == nbd::NBD_REP_INFO);
  CHECK(*f.server.result());
}

TEST_CASE("a client that breaks the protocol is left") {
  Fixture f;
  SECTION("by flags nobody knows") {
    f.client.greet(0x80000003);
  }
  SECTION("by a wrong magic") {
    f.client.greet();
    f.client.send(filled(16, 0x49));
  }
  SECTION("by an option longer than any") {
    f.client.greet();
    f.client.send(nbd::Message().put(nbd::kOptionMagic).put(7U).put(0xffffffffU).bytes());
  }
  SECTION("by the name of an export that is not there") {
    f.client.greet();
    f.client.send_option(nbd::NBD_OPT_EXPORT_NAME, filled(4, 'x'));
  }
  SECTION("by asking for ever") {
    f.client.greet();
    for (int i = 0; i < 64; ++i) {
      f.client.send_option(99);
      CHECK(f.client.option_reply().type == nbd::NBD_REP_ERR_UNSUP);
    }
  }
  CHECK(f.client.is_closed_by_server());
  CHECK(!f.server.result().has_value());
}

TEST_CASE("a client that leaves in the middle of the handshake ends it") {
  Fixture f;
  SECTION("before its flags") {}
  SECTION("in the middle of its flags") {
    f.client.send(filled(2, 0));
  }
  SECTION("after its flags") {
    f.client.send(nbd::Message().put(3U).bytes());
  }
  SECTION("in the middle of an option") {
    f.client.send(nbd::Message().put(3U).put(nbd::kOptionMagic).put(7U).put(100U).put(7U).bytes());
  }
  f.client.close();
  auto result = f.server.result();
  CHECK((!result || !*result));
}

}  // namespace tl::storage::test
