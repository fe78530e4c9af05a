// SPDX-License-Identifier: Apache-2.0
#include "runtime/virtio/net/device.hpp"

#include <linux/virtio_ids.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace tl::virtio::net {
namespace {

constexpr std::uint16_t kQueueSize = 256;
// VIRTIO_NET_F_MTU, _MAC, _MRG_RXBUF and _STATUS, and VIRTIO_NET_S_LINK_UP.
constexpr unsigned kMtuBit = 3;
constexpr unsigned kMacBit = 5;
constexpr unsigned kMergeBit = 15;
constexpr unsigned kStatusBit = 16;
constexpr std::uint16_t kLinkUp = 1;
constexpr std::uint64_t kFeatures = std::uint64_t{1} << kMtuBit | std::uint64_t{1} << kMacBit |
                                    std::uint64_t{1} << kMergeBit | std::uint64_t{1} << kStatusBit;
constexpr std::size_t kAroundPacket = 18;  // Ethernet's head and a VLAN tag

bool is_transient(int number) {
  return number == EAGAIN || number == EWOULDBLOCK || number == EINTR;
}

}  // namespace

Result<std::unique_ptr<Net>> Net::create(UniqueFd socket, const MacAddress& mac, std::uint16_t mtu,
                                         IoThread& thread) {
  std::unique_ptr<Net> net(new Net(std::move(socket), mac, mtu));
  const auto lock = thread.exclusive();
  net->watch_ = thread.watch(net->socket_.get(), [self = net.get()] { self->on_socket(); });
  return net;
}

Net::Net(UniqueFd socket, const MacAddress& mac, std::uint16_t mtu)
    : Device({"virtio-net", VIRTIO_ID_NET, kFeatures, {kQueueSize, kQueueSize}}),
      socket_(std::move(socket)),
      config_{mac, kLinkUp, 1, mtu},
      sent_(mtu + kAroundPacket),
      arrived_(sizeof(Header) + sent_.size()) {}

std::span<const std::byte> Net::config() const {
  return std::as_bytes(std::span(&config_, 1));
}

void Net::on_start() {
  update_watch();
}

void Net::on_stop() {
  wants_buffers_ = false;
  wants_socket_ = false;
  waiting_bytes_ = 0;
  update_watch();
}

void Net::serve(unsigned queue) {
  if (queue == kReceive) {
    wants_buffers_ = false;
    receive();
  } else if (!wants_socket_) {
    transmit();
  }
  update_watch();
}

void Net::on_socket() {
  if (driver() == nullptr) return;
  if (std::exchange(wants_socket_, false)) transmit();
  receive();
  update_watch();
}

// False when there is none.
bool Net::take_frame() {
  const auto frame = std::span(arrived_).subspan(sizeof(Header));
  while (waiting_bytes_ == 0) {
    // MSG_TRUNC: the frame's real length, also when it is longer than a frame may be.
    const ssize_t got = ::recv(socket_.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (got <= 0) {
      if (got == 0 || !is_transient(errno)) host_open_ = false;
      return false;
    }
    if (static_cast<std::size_t>(got) <= frame.size()) waiting_bytes_ = static_cast<std::size_t>(got);
  }
  return true;
}

// As many as it takes for so many bytes. False when there are too few.
bool Net::collect_chains(Queue& queue, std::size_t bytes) {
  const std::size_t most = driver()->has_accepted(kMergeBit) ? queue.state().layout.size : 1;
  std::size_t room = 0;
  chains_.clear();
  while (room < bytes && chains_.size() < most) {
    auto chain = queue.pop();
    if (!chain) return false;
    room += ChainWriter(*chain).remaining();
    chains_.push_back(*std::move(chain));
  }
  if (room < bytes) waiting_bytes_ = 0;  // no driver that means it has so little room: dropped
  return true;
}

// False when it has to wait for buffers.
bool Net::give_frame(Queue& queue) {
  const std::size_t bytes = sizeof(Header) + waiting_bytes_;
  while (!collect_chains(queue, bytes)) {
    const bool more_came = queue.enable_notification();
    queue.put_back(chains_.size());
    if (!more_came) return false;
  }
  if (std::exchange(waiting_bytes_, 0) == 0) {
    queue.put_back(chains_.size());
    return true;
  }
  Header header = {};
  header.num_buffers = static_cast<std::uint16_t>(chains_.size());
  std::memcpy(arrived_.data(), &header, sizeof header);
  std::span<const std::byte> left = std::span(arrived_).first(bytes);
  used_.clear();
  for (const Chain& chain : chains_) {
    ChainWriter writer(chain);
    left = left.subspan(writer.write(left));
    used_.push_back({chain.head, writer.written()});
  }
  queue.push(used_);
  return true;
}

void Net::receive() {
  Queue* const queue = driver()->queue(kReceive);
  if (queue == nullptr || !host_open_) return;
  for (int round = 0; round < kQueueSize && take_frame(); ++round) {
    wants_buffers_ = !give_frame(*queue);
    if (wants_buffers_) break;
  }
  driver()->interrupt_for(kReceive);
}

void Net::transmit() {
  Queue* const queue = driver()->queue(kTransmit);
  if (queue == nullptr) return;
  int round = 0;
  for (; round < kQueueSize; ++round) {
    auto chain = queue->pop();
    if (!chain) {
      if (!queue->enable_notification()) break;
      continue;
    }
    Header header;
    ChainReader reader(*chain);
    const bool whole = reader.read(std::as_writable_bytes(std::span(&header, 1))) == sizeof header;
    const std::size_t bytes = reader.remaining();
    if (!whole || bytes < kLeastFrameBytes || bytes > sent_.size()) {
      driver()->note_fault(fmt::format("a frame of {} bytes", bytes));
      queue->push(chain->head, 0);
      continue;
    }
    reader.read(std::span(sent_).first(bytes));
    if (host_open_ && ::send(socket_.get(), sent_.data(), bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      if (is_transient(errno)) {
        queue->put_back();
        wants_socket_ = true;
        break;
      }
      host_open_ = false;
    }
    queue->push(chain->head, 0);
  }
  if (round == kQueueSize) driver()->serve_again(kTransmit);
  driver()->interrupt_for(kTransmit);
}

void Net::update_watch() {
  const bool live = driver() != nullptr && host_open_;
  watch_->want(live && !wants_buffers_, live && wants_socket_);
}

}  // namespace tl::virtio::net
