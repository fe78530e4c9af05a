// SPDX-License-Identifier: Apache-2.0
#include "runtime/virtio/block/device.hpp"

#include <linux/virtio_ids.h>

#include "common/check.hpp"
#include "runtime/virtio/block/request.hpp"

namespace tl::virtio::block {
namespace {

constexpr std::uint16_t kQueueSize = 256;
constexpr unsigned kMostQueues = 64;
constexpr std::size_t kBounceBytes = 256 << 10;
constexpr std::uint32_t kClusterSectors = 8;  // smaller discards give nothing back

constexpr std::uint64_t bit(unsigned number) {
  return std::uint64_t{1} << number;
}
constexpr std::uint64_t kFeatures = bit(VIRTIO_BLK_F_SEG_MAX) | bit(VIRTIO_BLK_F_FLUSH) |
                                    bit(VIRTIO_BLK_F_MQ) | bit(VIRTIO_BLK_F_DISCARD) |
                                    bit(VIRTIO_BLK_F_WRITE_ZEROES);

}  // namespace

Block::Block(BlockDevice& disk, unsigned queues, IoThread& thread, const Log& log)
    : Device({"virtio-blk", VIRTIO_ID_BLOCK, kFeatures, std::vector<std::uint16_t>(queues, kQueueSize)}),
      disk_(disk),
      thread_(thread),
      disk_errors_(log, "disk") {
  TL_CHECK(queues >= 1 && queues <= kMostQueues);
  config_.capacity = disk.size_bytes() / BlockDevice::kSectorBytes;
  config_.seg_max = kMostSegments;
  config_.num_queues = static_cast<std::uint16_t>(queues);
  config_.max_discard_sectors = kMostRangeSectors;
  config_.max_discard_seg = kMostRanges;
  config_.discard_sector_alignment = kClusterSectors;
  config_.max_write_zeroes_sectors = kMostRangeSectors;
  config_.max_write_zeroes_seg = kMostRanges;
  config_.write_zeroes_may_unmap = 1;
}

std::span<const std::byte> Block::config() const {
  return std::as_bytes(std::span(&config_, 1));
}

void Block::serve(unsigned index) {
  Queue* const queue = driver()->queue(index);
  if (queue == nullptr) return;
  do {
    queue->disable_notification();
    while (auto chain = queue->pop()) {
      serve_one(*queue, *chain);
      driver()->interrupt_for(index);
      if (thread_.is_wanted()) return driver()->serve_again(index);
    }
  } while (queue->enable_notification());
}

void Block::serve_one(Queue& queue, const Chain& chain) {
  const auto request = Request::parse(chain);
  if (!request) {
    driver()->note_fault(request.error().message);
    queue.push(chain.head, 0);
    return;
  }
  if (!bounce_) bounce_.reset(new std::byte[kBounceBytes]);
  const Outcome outcome = request->execute(disk_, {bounce_.get(), kBounceBytes});
  if (!outcome.fault.empty()) driver()->note_fault(outcome.fault);
  if (!outcome.failure.empty()) disk_errors_.note(outcome.failure);
  request->finish(outcome.status);
  queue.push(chain.head, outcome.written + 1);
}

}  // namespace tl::virtio::block
