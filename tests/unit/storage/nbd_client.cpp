// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/storage/nbd_client.hpp"

#include "tests/support/catch.hpp"

namespace tl::storage::test {
namespace {

Bytes to_bytes(const nbd::Message& message) {
  return {message.bytes().begin(), message.bytes().end()};
}

}  // namespace

void NbdClient::send(std::span<const std::byte> bytes) {
  // The server may have closed the connection already; what comes next tells.
  [[maybe_unused]] auto ignored = nbd::send(socket_.get(), bytes);
}

Bytes NbdClient::receive(std::size_t length) {
  Bytes bytes(length);
  auto got = nbd::receive(socket_.get(), bytes);
  if (!got) FAIL(got.error().message);
  if (!*got && length > 0) FAIL("the server has closed the connection");
  return bytes;
}

bool NbdClient::is_closed_by_server() {
  std::byte one{};
  auto got = nbd::receive(socket_.get(), std::span(&one, 1));
  return got.has_value() && !*got;
}

void NbdClient::greet(std::uint32_t client_flags) {
  const Bytes greeting = receive(18);
  nbd::Reader reader(greeting);
  CHECK(reader.get<std::uint64_t>() == nbd::kInitMagic);
  CHECK(reader.get<std::uint64_t>() == nbd::kOptionMagic);
  CHECK(reader.get<std::uint16_t>() == (nbd::NBD_FLAG_FIXED_NEWSTYLE | nbd::NBD_FLAG_NO_ZEROES));
  send(nbd::Message().put(client_flags).bytes());
}

void NbdClient::send_option(std::uint32_t option, const Bytes& data) {
  nbd::Message message;
  message.put(nbd::kOptionMagic).put(option).put(static_cast<std::uint32_t>(data.size())).put(data);
  send(message.bytes());
}

NbdClient::OptionReply NbdClient::option_reply() {
  const Bytes header = receive(20);
  nbd::Reader reader(header);
  CHECK(reader.get<std::uint64_t>() == nbd::kOptionReplyMagic);
  OptionReply reply;
  reply.option = reader.get<std::uint32_t>();
  reply.type = reader.get<std::uint32_t>();
  reply.data = receive(reader.get<std::uint32_t>());
  return reply;
}

Bytes NbdClient::go_data(const std::string& name, const std::vector<std::uint16_t>& infos) {
  nbd::Message message;
  message.put(static_cast<std::uint32_t>(name.size()));
  message.put(std::as_bytes(std::span(name)));
  message.put(static_cast<std::uint16_t>(infos.size()));
  for (const std::uint16_t info : infos) message.put(info);
  return to_bytes(message);
}

std::uint64_t NbdClient::go() {
  greet();
  send_option(nbd::NBD_OPT_GO, go_data());
  std::uint64_t size = 0;
  for (OptionReply reply = option_reply(); reply.type != nbd::NBD_REP_ACK; reply = option_reply()) {
    REQUIRE(reply.type == nbd::NBD_REP_INFO);
    nbd::Reader reader(reply.data);
    if (reader.get<std::uint16_t>() == nbd::NBD_INFO_EXPORT) size = reader.get<std::uint64_t>();
  }
  return size;
}

void NbdClient::send_request(const Request& request, const Bytes& payload) {
  nbd::Message message;
  message.put(request.magic).put(request.flags).put(request.type).put(request.cookie);
  message.put(request.offset).put(request.length).put(payload);
  send(message.bytes());
}

std::uint32_t NbdClient::reply(std::uint64_t cookie) {
  const Bytes header = receive(16);
  nbd::Reader reader(header);
  CHECK(reader.get<std::uint32_t>() == nbd::kSimpleReplyMagic);
  const auto error = reader.get<std::uint32_t>();
  CHECK(reader.get<std::uint64_t>() == cookie);
  return error;
}

std::uint32_t NbdClient::call(const Request& request, const Bytes& payload) {
  send_request(request, payload);
  return reply(request.cookie);
}

Bytes NbdClient::read(std::uint64_t offset, std::uint32_t length) {
  REQUIRE(call({nbd::NBD_CMD_READ, offset, length}) == 0);
  return receive(length);
}

}  // namespace tl::storage::test
