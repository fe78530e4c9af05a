// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/virtio_console.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/virtio/console/control.hpp"
#include "runtime/virtio/console/state.hpp"
#include "runtime/virtio/device.hpp"
#include "runtime/virtio/io_thread.hpp"

namespace tl::virtio::console {

// A console device with one named port (virtio 1.2, §5.3), which is a byte stream between a program in the
// guest and a socket of the host. Nothing is kept in between: bytes go from the socket into the guest's
// buffers and from there into the socket, and whichever side does not take them stops the other.
class Console final : public Device {
 public:
  // `socket`: connected, a stream; is made non-blocking. `port_name`: how the guest finds the port.
  static Result<std::unique_ptr<Console>> create(UniqueFd socket, std::string port_name, IoThread& thread);
  ~Console() override = default;

  [[nodiscard]] std::span<const std::byte> config() const override;
  void serve(unsigned queue) override;

  // Under the IoThread's exclusive(); restore() before start().
  [[nodiscard]] State save() const;
  void restore(const State& state);

 private:
  enum QueueIndex : unsigned { kReceive, kTransmit, kControlReceive, kControlTransmit };

  Console(UniqueFd socket, std::string port_name);
  void on_start() override;
  void on_stop() override;
  void on_socket();
  void receive();   // from the socket
  void transmit();  // to the socket
  void take_control();
  void tell_control();
  void obey(const virtio_console_control& message);
  void set_guest_open(bool open);
  void hang_up();
  void update_watch();

  UniqueFd socket_;
  std::unique_ptr<IoThread::Watch> watch_;
  virtio_console_config config_ = {};
  Announcements announcements_;
  bool guest_open_ = false;
  bool host_open_ = true;
  bool wants_buffers_ = false;  // the socket may have bytes, the guest has given no buffers
  bool wants_socket_ = false;   // the guest has bytes, the socket takes none
  std::size_t chain_sent_ = 0;
};

}  // namespace tl::virtio::console
