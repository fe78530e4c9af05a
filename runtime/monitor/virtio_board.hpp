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
#include "runtime/virtio/io_thread.hpp"
#include "runtime/virtio/mmio_transport.hpp"

namespace tl::monitor {

// The memory of a sandbox's guest and its virtio devices: disk, agent port, entropy, balloon. The disk has a
// thread of its own, because it waits for the host's disk; the others share one.
class VirtioBoard final : public machine::kvm::Board {
 public:
  struct Parts {
    std::uint64_t memory_bytes = 0;
    unsigned vcpus = 1;
    BlockDevice* disk = nullptr;  // outlives the board
    UniqueFd agent;               // a connected stream socket: the other side of the port "tl.agent"
  };
  // `log` outlives the board.
  static Result<std::unique_ptr<VirtioBoard>> build(Parts parts, const Log& log);

  [[nodiscard]] GuestMemory& memory() override { return memory_; }
  [[nodiscard]] std::vector<MmioDevice*> devices() override;
  void pause() override;
  void resume() override;

 private:
  explicit VirtioBoard(GuestMemory memory) : memory_(std::move(memory)) {}
  Result<void> add(std::unique_ptr<virtio::Device> device, virtio::IoThread& thread, const Log& log);

  GuestMemory memory_;
  std::unique_ptr<virtio::IoThread> disk_thread_;
  std::unique_ptr<virtio::IoThread> thread_;
  std::vector<std::unique_ptr<virtio::MmioTransport>> transports_;
};

}  // namespace tl::monitor
