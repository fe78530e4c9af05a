// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "common/unique_fd.hpp"
#include "runtime/storage/nbd_wire.hpp"
#include "tests/unit/storage/layered_disk_support.hpp"

namespace tl::storage::test {

// The client's side of NBD, as much as the tests need, able to break every rule. Failing to read what the
// protocol promises ends the test.
class NbdClient {
 public:
  struct Request {
    std::uint16_t type = 0;
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
    std::uint16_t flags = 0;
    std::uint64_t cookie = 1;
    std::uint32_t magic = nbd::kRequestMagic;
  };
  struct OptionReply {
    std::uint32_t option = 0;
    std::uint32_t type = 0;
    Bytes data;
  };

  explicit NbdClient(UniqueFd socket) : socket_(std::move(socket)) {}

  void greet(std::uint32_t client_flags = nbd::NBD_FLAG_FIXED_NEWSTYLE | nbd::NBD_FLAG_NO_ZEROES);
  void send_option(std::uint32_t option, const Bytes& data = {});
  OptionReply option_reply();
  // greet(), then NBD_OPT_GO for the default export; returns its size.
  std::uint64_t go();

  void send_request(const Request& request, const Bytes& payload = {});
  // The error number of the next reply, which must be to `cookie`.
  std::uint32_t reply(std::uint64_t cookie = 1);
  std::uint32_t call(const Request& request, const Bytes& payload = {});
  // A read that must succeed.
  Bytes read(std::uint64_t offset, std::uint32_t length);

  void send(std::span<const std::byte> bytes);
  Bytes receive(std::size_t length);
  // True when the server has closed the connection, at once or soon.
  bool is_closed_by_server();
  void close() { socket_.reset(); }

  static Bytes go_data(const std::string& name = "", const std::vector<std::uint16_t>& infos = {});

 private:
  UniqueFd socket_;
};

}  // namespace tl::storage::test
