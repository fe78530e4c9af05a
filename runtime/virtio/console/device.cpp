// SPDX-License-Identifier: Apache-2.0
#include "runtime/virtio/console/device.hpp"

#include <fcntl.h>
#include <linux/virtio_ids.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

namespace tl::virtio::console {
namespace {

constexpr std::uint16_t kDataQueueSize = 64;  // Linux fills the receiving one with pages
constexpr std::uint16_t kControlQueueSize = 8;
constexpr std::size_t kMostPieces = 64;  // of a chain, in one system call

// The pieces of a chain without the first `skip` bytes.
std::vector<iovec> pieces_of(const std::vector<std::span<std::byte>>& spans, std::size_t skip) {
  std::vector<iovec> pieces;
  for (const auto& span : spans) {
    const std::size_t skipped = std::min(skip, span.size());
    skip -= skipped;
    if (skipped < span.size() && pieces.size() < kMostPieces)
      pieces.push_back({span.data() + skipped, span.size() - skipped});
  }
  return pieces;
}

std::size_t bytes_of(const std::vector<std::span<std::byte>>& spans) {
  std::size_t bytes = 0;
  for (const auto& span : spans) bytes += span.size();
  return bytes;
}

ssize_t receive_into(int socket, std::vector<iovec> pieces) {
  msghdr message = {};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  return ::recvmsg(socket, &message, MSG_DONTWAIT);
}

ssize_t send_from(int socket, std::vector<iovec> pieces) {
  msghdr message = {};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool is_transient(int number) {
  return number == EAGAIN || number == EWOULDBLOCK || number == EINTR;
}

}  // namespace

Result<std::unique_ptr<Console>> Console::create(UniqueFd socket, std::string port_name, IoThread& thread) {
  std::unique_ptr<Console> console(new Console(std::move(socket), std::move(port_name)));
  const auto lock = thread.exclusive();
  console->watch_ = thread.watch(console->socket_.get(), [self = console.get()] { self->on_socket(); });
  return console;
}

Console::Console(UniqueFd socket, std::string port_name)
    : Device({"virtio-console",
              VIRTIO_ID_CONSOLE,
              std::uint64_t{1} << VIRTIO_CONSOLE_F_MULTIPORT,
              {kDataQueueSize, kDataQueueSize, kControlQueueSize, kControlQueueSize}}),
      socket_(std::move(socket)),
      announcements_(std::move(port_name)) {
  config_.max_nr_ports = 1;
}

std::span<const std::byte> Console::config() const {
  return std::as_bytes(std::span(&config_, 1));
}

void Console::on_start() {
  update_watch();
}

void Console::on_stop() {
  announcements_.clear();
  guest_open_ = false;
  wants_buffers_ = false;
  wants_socket_ = false;
  chain_sent_ = 0;
  update_watch();
}

void Console::serve(unsigned queue) {
  switch (queue) {
    case kReceive:
      wants_buffers_ = false;
      if (guest_open_) receive();
      break;
    case kTransmit:
      if (!wants_socket_) transmit();
      break;
    case kControlReceive:
      tell_control();
      break;
    default:
      take_control();
  }
  update_watch();
}

void Console::on_socket() {
  if (driver() == nullptr) return;
  if (wants_socket_) {
    wants_socket_ = false;
    transmit();
  }
  if (guest_open_) receive();
  update_watch();
}

// Reads while there are buffers and bytes. One round is bounded by the queue's length: buffers that the
// driver gives meanwhile are for the next call of on_socket, which level-triggered waiting makes.
void Console::receive() {
  Queue* const queue = driver()->queue(kReceive);
  if (queue == nullptr || !host_open_) return;
  for (int round = 0; round < kDataQueueSize; ++round) {
    auto chain = queue->pop();
    if (!chain) {
      wants_buffers_ = !queue->enable_notification();
      if (wants_buffers_) break;
      continue;
    }
    const auto pieces = pieces_of(chain->writable, 0);
    if (pieces.empty()) {
      driver()->note_fault("a buffer for received bytes that cannot be written");
      queue->push(chain->head, 0);
      continue;
    }
    const ssize_t got = receive_into(socket_.get(), pieces);
    if (got <= 0) {
      queue->put_back();
      if (got == 0 || !is_transient(errno)) hang_up();
      break;
    }
    queue->push(chain->head, static_cast<std::uint32_t>(got));
  }
  driver()->interrupt_for(kReceive);
}

void Console::transmit() {
  Queue* const queue = driver()->queue(kTransmit);
  if (queue == nullptr) return;
  int round = 0;
  for (; round < kDataQueueSize; ++round) {
    auto chain = queue->pop();
    if (!chain) {
      if (!queue->enable_notification()) break;
      continue;
    }
    const std::size_t bytes = bytes_of(chain->readable);
    // What nobody listens to is taken all the same: the driver waits for its buffers.
    while (host_open_ && chain_sent_ < bytes) {
      const ssize_t sent = send_from(socket_.get(), pieces_of(chain->readable, chain_sent_));
      if (sent >= 0) {
        chain_sent_ += static_cast<std::size_t>(sent);
      } else if (is_transient(errno)) {
        wants_socket_ = true;
        break;
      } else {
        hang_up();
      }
    }
    if (wants_socket_) {
      queue->put_back();
      break;
    }
    chain_sent_ = 0;
    queue->push(chain->head, 0);
  }
  if (round == kDataQueueSize) driver()->serve_again(kTransmit);
  driver()->interrupt_for(kTransmit);
}

void Console::take_control() {
  Queue* const queue = driver()->queue(kControlTransmit);
  if (queue == nullptr) return;
  int round = 0;
  for (; round < kControlQueueSize; ++round) {
    auto chain = queue->pop();
    if (!chain) {
      if (!queue->enable_notification()) break;
      continue;
    }
    virtio_console_control message = {};
    const bool whole =
        ChainReader(*chain).read(std::as_writable_bytes(std::span(&message, 1))) == sizeof message;
    queue->push(chain->head, 0);
    if (whole) {
      obey(message);
    } else {
      driver()->note_fault("a control message that is too short");
    }
  }
  if (round == kControlQueueSize) driver()->serve_again(kControlTransmit);
  driver()->interrupt_for(kControlTransmit);
  tell_control();
}

void Console::obey(const virtio_console_control& message) {
  if (message.event == VIRTIO_CONSOLE_DEVICE_READY) {
    if (message.value == 1) announcements_.add(Message::kAdd);
    return;
  }
  if (message.id != kPortId) {
    driver()->note_fault(fmt::format("a control message for port {}", message.id));
    return;
  }
  switch (message.event) {
    case VIRTIO_CONSOLE_PORT_READY:
      if (message.value != 1) return;
      announcements_.add(Message::kName);
      announcements_.add(host_open_ ? Message::kOpen : Message::kClosed);
      return;
    case VIRTIO_CONSOLE_PORT_OPEN:
      return set_guest_open(message.value != 0);
    default:
      driver()->note_fault(fmt::format("a control message of the unknown kind {}", message.event));
  }
}

void Console::set_guest_open(bool open) {
  guest_open_ = open;
  if (open) receive();
}

void Console::tell_control() {
  Queue* const queue = driver()->queue(kControlReceive);
  if (queue == nullptr) return;
  while (const auto message = announcements_.next()) {
    auto chain = queue->pop();
    if (!chain) {
      if (!queue->enable_notification()) break;
      continue;
    }
    ChainWriter writer(*chain);
    writer.write(*message);
    queue->push(chain->head, writer.written());
    announcements_.told();
  }
  driver()->interrupt_for(kControlReceive);
}

void Console::hang_up() {
  if (!std::exchange(host_open_, false)) return;
  announcements_.add(Message::kClosed);
  tell_control();
}

void Console::update_watch() {
  const bool live = driver() != nullptr && host_open_;
  watch_->want(live && guest_open_ && !wants_buffers_, live && wants_socket_);
}

State Console::save() const {
  return {announcements_.untold(), guest_open_, chain_sent_};
}

void Console::restore(const State& state) {
  announcements_.restore(state.untold);
  // Whatever the driver last heard of it, the host's side is open: a new socket.
  if (state.guest_open) announcements_.add(Message::kOpen);
  guest_open_ = state.guest_open;
  chain_sent_ = state.chain_sent;
}

}  // namespace tl::virtio::console
