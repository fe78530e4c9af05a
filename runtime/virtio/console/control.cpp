// SPDX-License-Identifier: Apache-2.0
#include "runtime/virtio/console/control.hpp"

#include <linux/virtio_console.h>

#include <bit>
#include <span>

namespace tl::virtio::console {
namespace {

constexpr std::uint32_t kAllMessages = 0b1111;

virtio_console_control control_for(Message message) {
  switch (message) {
    case Message::kAdd:
      return {kPortId, VIRTIO_CONSOLE_PORT_ADD, 1};
    case Message::kName:
      return {kPortId, VIRTIO_CONSOLE_PORT_NAME, 1};
    case Message::kOpen:
      return {kPortId, VIRTIO_CONSOLE_PORT_OPEN, 1};
    case Message::kClosed:
      break;
  }
  return {kPortId, VIRTIO_CONSOLE_PORT_OPEN, 0};
}

}  // namespace

std::optional<std::vector<std::byte>> Announcements::next() const {
  if (untold_ == 0) return std::nullopt;
  const auto message = static_cast<Message>(std::countr_zero(untold_));
  const virtio_console_control control = control_for(message);
  const auto head = std::as_bytes(std::span(&control, 1));
  std::vector<std::byte> bytes(head.begin(), head.end());
  if (message == Message::kName) {
    const auto name = std::as_bytes(std::span(port_name_));
    bytes.insert(bytes.end(), name.begin(), name.end());
  }
  return bytes;
}

void Announcements::told() {
  untold_ &= untold_ - 1;
}

void Announcements::restore(std::uint32_t untold) {
  untold_ = untold & kAllMessages;
}

}  // namespace tl::virtio::console
