// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tl::virtio::console {

inline constexpr std::uint32_t kPortId = 0;

// What the device tells the driver about the port (virtio 1.2, §5.3.6.2), in this order.
enum class Message : std::uint32_t { kAdd, kName, kOpen, kClosed };

// The messages that the driver has still to be told. A driver that asks again and again makes no more of
// them.
class Announcements {
 public:
  explicit Announcements(std::string port_name) : port_name_(std::move(port_name)) {}

  void add(Message message) { untold_ |= bit(message); }
  void clear() { untold_ = 0; }

  // The next one as the driver reads it; nothing when it knows all.
  [[nodiscard]] std::optional<std::vector<std::byte>> next() const;
  // next() has been told.
  void told();

  [[nodiscard]] std::uint32_t untold() const { return untold_; }
  void restore(std::uint32_t untold);

 private:
  static std::uint32_t bit(Message message) { return 1U << static_cast<std::uint32_t>(message); }
  std::string port_name_;
  std::uint32_t untold_ = 0;
};

}  // namespace tl::virtio::console
