// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/virtio_blk.h>

#include <cstddef>
#include <memory>
#include <span>

#include "common/block_device.hpp"
#include "common/fault_log.hpp"
#include "common/log.hpp"
#include "runtime/virtio/block/state.hpp"
#include "runtime/virtio/device.hpp"
#include "runtime/virtio/io_thread.hpp"

namespace tl::virtio::block {

// A disk (virtio 1.2, §5.2). Requests are executed one after the other on the device's IoThread, which waits
// for the host's disk and therefore belongs to this device alone. A queue for each vCPU keeps vCPUs from
// waiting for each other's locks.
class Block final : public Device {
 public:
  // `disk`, `thread` and `log` outlive the device; the disk belongs to it. `queues`: 1–64.
  Block(BlockDevice& disk, unsigned queues, IoThread& thread, const Log& log);

  [[nodiscard]] std::span<const std::byte> config() const override;
  void serve(unsigned queue) override;

  // Requests that the disk failed. Any thread.
  [[nodiscard]] std::uint64_t disk_errors() const { return disk_errors_.count(); }

  [[nodiscard]] static State save() { return {}; }
  void restore(const State&) {}

 private:
  void serve_one(Queue& queue, const Chain& chain);

  BlockDevice& disk_;
  IoThread& thread_;
  FaultLog disk_errors_;
  virtio_blk_config config_ = {};
  std::unique_ptr<std::byte[]> bounce_;  // from the first request on
};

}  // namespace tl::virtio::block
