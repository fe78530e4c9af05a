// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/nbd_server.hpp"

#include <fcntl.h>

#include <algorithm>
#include <thread>

#include "common/io.hpp"
#include "runtime/storage/layered_disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/nbd_client.hpp"
#include "tests/unit/storage/nbd_fake_device.hpp"

namespace tl::storage::test {
namespace {

constexpr std::uint64_t kDeviceBytes = 48 * kMiB;

struct Fixture {
  Fixture() : Fixture(std::move(*stream_socket_pair())) {}
  explicit Fixture(std::pair<UniqueFd, UniqueFd> ends) : client(std::move(ends.second)) {
    auto fd = open_at(AT_FDCWD, (temp.path() / "log").string(), O_RDWR | O_CREAT | O_APPEND, 0600);
    REQUIRE(fd.has_value());
    log_fd = std::move(*fd);
    auto started = NbdServer::start(std::move(ends.first), device, Log(log_fd.get()));
    REQUIRE(started.has_value());
    server = std::move(*started);
  }
  // What the server has logged until its end.
  std::string log() {
    server.reset();
    const Bytes text = read_file(temp.path() / "log");
    return std::string(reinterpret_cast<const char*>(text.data()), text.size());
  }

  TempFolder temp;
  UniqueFd log_fd;
  FakeDevice device{kDeviceBytes};
  NbdClient client;
  std::unique_ptr<NbdServer> server;
};

}  // namespace

TEST_CASE("what is written over NBD is read over NBD") {
  Fixture f;
  CHECK(f.client.go() == kDeviceBytes);
  CHECK(f.client.call({nbd::NBD_CMD_WRITE, 512, 4096}, pattern(4096, 2)) == 0);
  CHECK(f.client.read(512, 4096) == pattern(4096, 2));
  CHECK(f.client.read(0, 512) == filled(512, 0));
  CHECK(f.client.call({nbd::NBD_CMD_WRITE_ZEROES, 512, 512}) == 0);
  CHECK(f.client.call({nbd::NBD_CMD_TRIM, 4096, 512}) == 0);
  Bytes expected = pattern(4096, 2);
  std::fill_n(expected.begin(), 512, std::byte{0});
  std::fill_n(expected.begin() + 3584, 512, std::byte{0});
  CHECK(f.client.read(512, 4096) == expected);
  CHECK(f.client.call({nbd::NBD_CMD_FLUSH}) == 0);
  f.client.send_request({nbd::NBD_CMD_DISC});
  CHECK(f.client.is_closed_by_server());
  CHECK(f.log().empty());
  CHECK(f.device.calls() ==
        std::vector<std::string>{"write", "read", "read", "zero", "discard", "read", "flush", "flush"});
}

TEST_CASE("requests longer than the buffer pass through it") {
  Fixture f;
  f.client.go();
  constexpr std::uint32_t kLength = nbd::kMaxPayloadBytes;
  CHECK((f.client.call({nbd::NBD_CMD_WRITE, 4096, kLength}, pattern(kLength, 3)) == 0));
  CHECK((f.client.read(4096, kLength) == pattern(kLength, 3)));
}

TEST_CASE("replies come in the order of the requests, each with its cookie") {
  Fixture f;
  f.client.go();
  for (std::uint64_t cookie = 100; cookie < 200; ++cookie) {
    const auto offset = (cookie - 100) * 512;
    f.client.send_request({nbd::NBD_CMD_WRITE, offset, 512, 0, cookie}, pattern(512, cookie));
  }
  for (std::uint64_t cookie = 100; cookie < 200; ++cookie) CHECK(f.client.reply(cookie) == 0);
  CHECK(f.client.read(99 * 512, 512) == pattern(512, 199));
}

TEST_CASE("forced unit access flushes before the reply") {
  Fixture f;
  f.client.go();
  const std::uint16_t fua = nbd::NBD_CMD_FLAG_FUA;
  CHECK(f.client.call({nbd::NBD_CMD_WRITE, 0, 512, fua}, filled(512, 1)) == 0);
  CHECK(f.client.call({nbd::NBD_CMD_TRIM, 0, 512, fua}) == 0);
  CHECK(f.client.call({nbd::NBD_CMD_WRITE_ZEROES, 0, 512,
                       static_cast<std::uint16_t>(fua | nbd::NBD_CMD_FLAG_NO_HOLE)}) == 0);
  REQUIRE(f.client.call({nbd::NBD_CMD_READ, 0, 512, fua}) == 0);
  CHECK(f.client.receive(512) == filled(512, 0));
  f.server.reset();
  CHECK(f.device.calls() ==
        std::vector<std::string>{"write", "flush", "discard", "flush", "zero", "flush", "read", "flush"});
}

TEST_CASE("requests that no disk could serve are refused and the next one is served") {
  Fixture f;
  f.client.go();
  const std::uint64_t end = kDeviceBytes;
  const std::uint64_t huge = ~std::uint64_t{0} - 511;
  for (const std::uint16_t type : {nbd::NBD_CMD_READ, nbd::NBD_CMD_TRIM, nbd::NBD_CMD_WRITE_ZEROES}) {
    INFO("command " << type);
    const std::uint32_t beyond = type == nbd::NBD_CMD_WRITE_ZEROES ? nbd::NBD_ENOSPC : nbd::NBD_EINVAL;
    CHECK(f.client.call({type, end, 512}) == beyond);
    CHECK(f.client.call({type, end - 512, 1024}) == beyond);
    CHECK(f.client.call({type, huge, 512}) == beyond);
    CHECK(f.client.call({type, huge, 1024}) == beyond);
    CHECK(f.client.call({type, 1, 512}) == nbd::NBD_EINVAL);
    CHECK(f.client.call({type, 0, 511}) == nbd::NBD_EINVAL);
    CHECK(f.client.call({type, 0, 512, 1 << 2}) == nbd::NBD_EINVAL);
    CHECK(f.client.call({type, 0, 512, 1 << 15}) == nbd::NBD_EINVAL);
  }
  CHECK(f.client.call({nbd::NBD_CMD_READ, 0, nbd::kMaxPayloadBytes + 512}) == nbd::NBD_EINVAL);
  CHECK(f.client.call({nbd::NBD_CMD_READ, 0, 512, nbd::NBD_CMD_FLAG_NO_HOLE}) == nbd::NBD_EINVAL);
  CHECK(f.client.call({nbd::NBD_CMD_WRITE, end, 512}, filled(512, 1)) == nbd::NBD_ENOSPC);
  CHECK(f.client.call({nbd::NBD_CMD_WRITE, huge, 1024}, filled(1024, 1)) == nbd::NBD_ENOSPC);
  CHECK(f.client.call({nbd::NBD_CMD_WRITE, 3, 512}, filled(512, 1)) == nbd::NBD_EINVAL);
  CHECK(f.client.call({nbd::NBD_CMD_WRITE, 0, 100}, filled(100, 1)) == nbd::NBD_EINVAL);
  for (const unsigned type : {5U, 7U, 8U, 255U, 65535U})
    CHECK(f.client.call({static_cast<std::uint16_t>(type)}) == nbd::NBD_EINVAL);
  CHECK(f.server->refused_requests() == 35);
  CHECK(f.client.read(0, 512) == filled(512, 0));
  f.server.reset();
  CHECK(f.device.calls() == std::vector<std::string>{"read", "flush"});
}

TEST_CASE("a request for nothing is served") {
  Fixture f;
  f.client.go();
  for (const std::uint16_t type :
       {nbd::NBD_CMD_READ, nbd::NBD_CMD_WRITE, nbd::NBD_CMD_TRIM, nbd::NBD_CMD_WRITE_ZEROES})
    CHECK(f.client.call({type, kDeviceBytes, 0}) == 0);
}

TEST_CASE("a client that cannot be understood any more is left, with a flush and a line in the log") {
  Fixture f;
  f.client.go();
  SECTION("wrong magic") {
    f.client.send_request({nbd::NBD_CMD_READ, 0, 512, 0, 1, 0x12345678});
  }
  SECTION("a write longer than any") {
    f.client.send_request({nbd::NBD_CMD_WRITE, 0, nbd::kMaxPayloadBytes + 512});
  }
  CHECK(f.client.is_closed_by_server());
  CHECK(f.log().find("the connection ended: NBD: ") != std::string::npos);
  CHECK(f.device.calls() == std::vector<std::string>{"flush"});
}

TEST_CASE("a client that leaves at any point leaves a flushed disk") {
  Fixture f;
  SECTION("before the handshake") {}
  SECTION("after the handshake") {
    f.client.go();
  }
  SECTION("in the middle of a request") {
    f.client.go();
    f.client.send(filled(10, 0x25));
  }
  SECTION("in the middle of a write's data") {
    f.client.go();
    f.client.send_request({nbd::NBD_CMD_WRITE, 0, 4096}, filled(1000, 1));
  }
  SECTION("without taking the data it asked for") {
    f.client.go();
    for (int i = 0; i < 8; ++i) f.client.send_request({nbd::NBD_CMD_READ, 0, kMiB});
  }
  f.client.close();
  while (!f.server->has_ended()) std::this_thread::yield();
  f.server.reset();
  CHECK(f.device.calls().back() == "flush");
  CHECK(f.device.contents().front() == std::byte{0});
}

TEST_CASE("a failing device fails the request and not the connection") {
  const bool full = GENERATE(false, true);
  const std::uint32_t expected = full ? nbd::NBD_ENOSPC : nbd::NBD_EIO;
  std::vector<NbdClient::Request> requests = {{nbd::NBD_CMD_READ, 0, 4096},
                                              {nbd::NBD_CMD_WRITE, 0, 4096},
                                              {nbd::NBD_CMD_TRIM, 0, 4096},
                                              {nbd::NBD_CMD_WRITE_ZEROES, 0, 4096},
                                              {nbd::NBD_CMD_FLUSH}};
  for (const NbdClient::Request& request : requests) {
    INFO("command " << request.type);
    Fixture f;
    f.device.fail(full ? ErrorCode::kHostLacks : ErrorCode::kFailure);
    f.client.go();
    const Bytes payload = request.type == nbd::NBD_CMD_WRITE ? filled(4096, 1) : Bytes();
    CHECK(f.client.call(request, payload) == expected);
    CHECK(f.server->device_errors() == 1);
    CHECK(f.client.read(0, 512) == filled(512, 0));
    CHECK(f.log().find("made to fail (1 failed requests so far)") != std::string::npos);
  }
}

TEST_CASE("a flush that fails after a forced write fails the write") {
  Fixture f;
  f.device.fail(ErrorCode::kFailure, 1);
  f.client.go();
  CHECK(f.client.call({nbd::NBD_CMD_WRITE, 0, 512, nbd::NBD_CMD_FLAG_FUA}, filled(512, 1)) == nbd::NBD_EIO);
}

TEST_CASE("a long write that fails half-way is taken off the wire and answered") {
  Fixture f;
  f.device.fail(ErrorCode::kHostLacks, 1);
  f.client.go();
  CHECK(f.client.call({nbd::NBD_CMD_WRITE, 0, 4 * kMiB}, filled(4 * kMiB, 1)) == nbd::NBD_ENOSPC);
  CHECK(f.client.read(0, 512) == filled(512, 1));
}

TEST_CASE("a long read that fails half-way breaks the connection instead of lying") {
  Fixture f;
  f.device.fail(ErrorCode::kFailure, 1);
  f.client.go();
  REQUIRE(f.client.call({nbd::NBD_CMD_READ, 0, 2 * kMiB}) == 0);
  f.client.receive(kMiB);
  CHECK(f.client.is_closed_by_server());
}

TEST_CASE("many failures are a few lines in the log") {
  Fixture f;
  f.client.go();
  for (int i = 0; i < 100; ++i) {
    f.device.fail(ErrorCode::kHostLacks);
    CHECK(f.client.call({nbd::NBD_CMD_WRITE, 0, 512}, filled(512, 1)) == nbd::NBD_ENOSPC);
  }
  CHECK(f.server->device_errors() == 100);
  const std::string log = f.log();
  CHECK(std::count(log.begin(), log.end(), '\n') < 50);
}

TEST_CASE("a server can be destroyed at any point of the conversation") {
  Fixture f;
  SECTION("before the handshake") {}
  SECTION("between requests") {
    f.client.go();
  }
  SECTION("while it waits for data") {
    f.client.go();
    f.client.send_request({nbd::NBD_CMD_WRITE, 0, 4096}, filled(1000, 1));
  }
  SECTION("while nobody takes its data") {
    f.client.go();
    for (int i = 0; i < 8; ++i) f.client.send_request({nbd::NBD_CMD_READ, 0, kMiB});
  }
  f.server.reset();
  CHECK(f.device.calls().back() == "flush");
}

TEST_CASE("a non-blocking socket serves as well") {
  auto ends = std::move(*stream_socket_pair());
  REQUIRE(::fcntl(ends.first.get(), F_SETFL, O_NONBLOCK) == 0);
  Fixture f(std::move(ends));
  f.client.go();
  CHECK(f.client.read(0, 4096) == filled(4096, 0));
}

TEST_CASE("a layered disk behind NBD says when its quota is used up and goes on") {
  TempFolder temp;
  const DiskBase base = make_base(temp, 8192);
  auto disk = must(LayeredDisk::create(temp.path() / "disk", {base, 8 * kMiB, kMiB}));
  auto ends = std::move(*stream_socket_pair());
  auto server = NbdServer::start(std::move(ends.first), *disk, Log(-1));
  REQUIRE(server.has_value());
  NbdClient client(std::move(ends.second));
  client.go();
  CHECK(client.read(0, 8192) == pattern(8192, 1));
  CHECK(client.call({nbd::NBD_CMD_WRITE, 0, kMiB}, pattern(kMiB, 2)) == 0);
  CHECK(client.call({nbd::NBD_CMD_WRITE, 2 * kMiB, 4096}, pattern(4096, 3)) == nbd::NBD_ENOSPC);
  CHECK(client.call({nbd::NBD_CMD_TRIM, 0, 4096}) == 0);
  CHECK(client.call({nbd::NBD_CMD_WRITE, 2 * kMiB, 4096}, pattern(4096, 3)) == 0);
  client.close();
  server->reset();
  disk.reset();
  disk = must(LayeredDisk::open(temp.path() / "disk", base));
  CHECK(read_at(*disk, 2 * kMiB, 4096) == pattern(4096, 3));
  CHECK(read_at(*disk, 0, 4096) == filled(4096, 0));
}

}  // namespace tl::storage::test
