// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/virtio/device.hpp"
#include "runtime/virtio/io_thread.hpp"
#include "runtime/virtio/net/state.hpp"

namespace tl::virtio::net {

using MacAddress = std::array<std::uint8_t, 6>;

// virtio_net_config and virtio_net_hdr_v1 of <linux/virtio_net.h>, which C++ does not read.
struct Config {
  MacAddress mac;
  std::uint16_t status;
};
struct Header {
  std::uint8_t flags;
  std::uint8_t gso_type;
  std::uint16_t hdr_len;
  std::uint16_t gso_size;
  std::uint16_t csum_start;
  std::uint16_t csum_offset;
  std::uint16_t num_buffers;
};
static_assert(sizeof(Config) == 8 && sizeof(Header) == 12);

// A network card (virtio 1.2, §5.1) with one pair of queues. The other end of its cable is a socket that
// keeps messages apart (SOCK_SEQPACKET or SOCK_DGRAM): a message is an Ethernet frame without its checksum.
// Nothing is kept in between: a frame that the other side has no room for waits in the driver's queue.
class Net final : public Device {
 public:
  static constexpr std::size_t kMostFrameBytes = 1518;  // with a VLAN tag
  static constexpr std::size_t kLeastFrameBytes = 14;

  static Result<std::unique_ptr<Net>> create(UniqueFd socket, const MacAddress& mac, IoThread& thread);

  [[nodiscard]] std::span<const std::byte> config() const override;
  void serve(unsigned queue) override;

  [[nodiscard]] static State save() { return {}; }
  void restore(const State&) {}

 private:
  enum QueueIndex : unsigned { kReceive, kTransmit };

  Net(UniqueFd socket, const MacAddress& mac);
  void on_start() override;
  void on_stop() override;
  void on_socket();
  void receive();
  void transmit();
  void update_watch();

  UniqueFd socket_;
  std::unique_ptr<IoThread::Watch> watch_;
  Config config_ = {};
  bool host_open_ = true;
  bool wants_buffers_ = false;  // the driver has given none for frames to come
  bool wants_socket_ = false;   // the other side has no room
  std::array<std::byte, kMostFrameBytes> frame_ = {};
};

}  // namespace tl::virtio::net
