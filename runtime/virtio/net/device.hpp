// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

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
  std::uint16_t max_virtqueue_pairs;
  std::uint16_t mtu;
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
static_assert(sizeof(Config) == 12 && sizeof(Header) == 12);

// A network card (virtio 1.2, §5.1) with one pair of queues. The other end of its cable is a socket that
// keeps messages apart (SOCK_SEQPACKET or SOCK_DGRAM): a message is an Ethernet frame without its checksum.
// A frame that the other side has no room for waits in the driver's queue, and of those that the driver has
// no buffers for, one waits here. The driver may give buffers that are smaller than frames, and gets a frame
// in several of them.
class Net final : public Device {
 public:
  static constexpr std::size_t kLeastFrameBytes = 14;

  // `mtu`: of the packets in frames, 1280–65521 bytes; both sides are held to it.
  static Result<std::unique_ptr<Net>> create(UniqueFd socket, const MacAddress& mac, std::uint16_t mtu,
                                             IoThread& thread);

  [[nodiscard]] std::span<const std::byte> config() const override;
  void serve(unsigned queue) override;

  [[nodiscard]] static State save() { return {}; }
  void restore(const State&) {}

 private:
  enum QueueIndex : unsigned { kReceive, kTransmit };

  Net(UniqueFd socket, const MacAddress& mac, std::uint16_t mtu);
  void on_start() override;
  void on_stop() override;
  void on_socket();
  bool take_frame();
  bool give_frame(Queue& queue);
  [[nodiscard]] bool collect_chains(Queue& queue, std::size_t bytes);
  void receive();
  void transmit();
  void update_watch();

  UniqueFd socket_;
  std::unique_ptr<IoThread::Watch> watch_;
  Config config_ = {};
  bool host_open_ = true;
  bool wants_buffers_ = false;      // the driver has given too few for the frame that waits
  bool wants_socket_ = false;       // the other side has no room
  std::vector<std::byte> sent_;     // a frame of the driver's
  std::vector<std::byte> arrived_;  // a header, and a frame for the driver
  std::size_t waiting_bytes_ = 0;   // of the frame that arrived; 0: there is none
  std::vector<Chain> chains_;       // that it goes to
  std::vector<Queue::Used> used_;
};

}  // namespace tl::virtio::net
