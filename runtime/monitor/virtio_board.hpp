// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "common/block_device.hpp"
#include "common/guest_memory.hpp"
#include "common/log.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/machine/kvm/board.hpp"
#include "runtime/virtio/console/device.hpp"
#include "runtime/virtio/io_thread.hpp"
#include "runtime/virtio/mmio_transport.hpp"
#include "runtime/virtio/net/device.hpp"

namespace tl::monitor {

// The virtio devices of a sandbox's guest: disk, agent port, entropy, balloon, network card. The disk has a
// thread of its own, because it waits for the host's disk; the others share one.
class VirtioBoard final : public machine::kvm::Board {
 public:
  struct Parts {
    GuestMemory* memory = nullptr;  // outlives the board
    unsigned vcpus = 1;
    BlockDevice* disk = nullptr;  // outlives the board
    UniqueFd agent;               // a connected stream socket: the other side of the port "tl.agent"
    UniqueFd network;             // a connected socket of messages, each an Ethernet frame; optional
    virtio::net::MacAddress mac = {};
    std::uint16_t mtu = 1500;
  };
  // `log` outlives the board.
  static Result<std::unique_ptr<VirtioBoard>> build(Parts parts, const Log& log);

  [[nodiscard]] const GuestMemory& memory() const override { return memory_; }
  [[nodiscard]] std::vector<MmioDevice*> devices() override;
  void pause() override;
  void resume() override;
  [[nodiscard]] std::vector<std::byte> save() const override;
  Result<void> restore(std::span<const std::byte> state) override;

 private:
  explicit VirtioBoard(GuestMemory& memory) : memory_(memory) {}
  Result<void> add(std::unique_ptr<virtio::Device> device, virtio::IoThread& thread, const Log& log);

  GuestMemory& memory_;
  std::unique_ptr<virtio::IoThread> disk_thread_;
  std::unique_ptr<virtio::IoThread> thread_;
  std::vector<std::unique_ptr<virtio::MmioTransport>> transports_;
  virtio::console::Console* console_ =
      nullptr;  // behind one of them: the only device with a state of its own
};

}  // namespace tl::monitor
