// SPDX-License-Identifier: Apache-2.0
#include "runtime/virtio/net/device.hpp"

#include <linux/virtio_ids.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include <fmt/format.h>

namespace tl::virtio::net {
namespace {

constexpr std::uint16_t kQueueSize = 256;
// VIRTIO_NET_F_MAC, VIRTIO_NET_F_STATUS and VIRTIO_NET_S_LINK_UP.
constexpr unsigned kMacBit = 5;
constexpr unsigned kStatusBit = 16;
constexpr std::uint16_t kLinkUp = 1;
constexpr std::uint64_t kFeatures = std::uint64_t{1} << kMacBit | std::uint64_t{1} << kStatusBit;

bool is_transient(int number) {
  return number == EAGAIN || number == EWOULDBLOCK || number == EINTR;
}

}  // namespace

Result<std::unique_ptr<Net>> Net::create(UniqueFd socket, const MacAddress& mac, IoThread& thread) {
  std::unique_ptr<Net> net(new Net(std::move(socket), mac));
  const auto lock = thread.exclusive();
  net->watch_ = thread.watch(net->socket_.get(), [self = net.get()] { self->on_socket(); });
  return net;
}

Net::Net(UniqueFd socket, const MacAddress& mac)
    : Device({"virtio-net", VIRTIO_ID_NET, kFeatures, {kQueueSize, kQueueSize}}), socket_(std::move(socket)) {
  config_ = {mac, kLinkUp};
}

std::span<const std::byte> Net::config() const {
  return std::as_bytes(std::span(&config_, 1));
}

void Net::on_start() {
  update_watch();
}

void Net::on_stop() {
  wants_buffers_ = false;
  wants_socket_ = false;
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

void Net::receive() {
  Queue* const queue = driver()->queue(kReceive);
  if (queue == nullptr || !host_open_) return;
  for (int round = 0; round < kQueueSize; ++round) {
    auto chain = queue->pop();
    if (!chain) {
      wants_buffers_ = !queue->enable_notification();
      if (wants_buffers_) break;
      continue;
    }
    // MSG_TRUNC: the frame's real length, also when it is longer than the buffer.
    const ssize_t got = ::recv(socket_.get(), frame_.data(), frame_.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (got <= 0) {
      queue->put_back();
      if (got == 0 || !is_transient(errno)) host_open_ = false;
      break;
    }
    const auto bytes = static_cast<std::size_t>(got);
    ChainWriter writer(*chain);
    if (bytes > frame_.size() || writer.remaining() < sizeof(Header) + bytes) {
      queue->put_back();  // dropped
      continue;
    }
    Header header = {};
    header.num_buffers = 1;
    writer.write(std::as_bytes(std::span(&header, 1)));
    writer.write(std::span(frame_).first(bytes));
    queue->push(chain->head, writer.written());
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
    if (!whole || bytes < kLeastFrameBytes || bytes > kMostFrameBytes) {
      driver()->note_fault(fmt::format("a frame of {} bytes", bytes));
      queue->push(chain->head, 0);
      continue;
    }
    reader.read(std::span(frame_).first(bytes));
    if (host_open_ && ::send(socket_.get(), frame_.data(), bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
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
