// SPDX-License-Identifier: Apache-2.0
#include "runtime/virtio/balloon/device.hpp"

#include <linux/virtio_ids.h>

namespace tl::virtio::balloon {
namespace {

constexpr std::uint16_t kPageQueueSize = 16;
constexpr std::uint16_t kReportingQueueSize = 32;  // Linux reports up to so many ranges at once
constexpr std::uint64_t kFeatures =
    std::uint64_t{1} << VIRTIO_BALLOON_F_REPORTING | std::uint64_t{1} << VIRTIO_BALLOON_F_DEFLATE_ON_OOM;
constexpr std::uint64_t kPageBytes = std::uint64_t{1} << VIRTIO_BALLOON_PFN_SHIFT;

}  // namespace

Balloon::Balloon(const GuestMemory& memory)
    : Device({"virtio-balloon",
              VIRTIO_ID_BALLOON,
              kFeatures,
              {kPageQueueSize, kPageQueueSize, kReportingQueueSize}}),
      memory_(memory) {}

std::span<const std::byte> Balloon::config() const {
  return std::as_bytes(std::span(&config_, 1));
}

void Balloon::serve(unsigned index) {
  Queue* const queue = driver()->queue(index);
  if (queue == nullptr) return;
  do {
    while (auto chain = queue->pop()) {
      if (index == kInflate) take_pages(*chain);
      if (index == kReporting) take_reported(*chain);
      queue->push(chain->head, 0);
    }
  } while (queue->enable_notification());
  driver()->interrupt_for(index);
}

// An array of page numbers, of which a run is given back at once.
void Balloon::take_pages(const Chain& chain) {
  ChainReader reader(chain);
  std::uint64_t run_start = 0;
  std::uint64_t run_pages = 0;
  const auto give_back = [&] {
    if (run_pages != 0 && !memory_.release({run_start * kPageBytes}, run_pages * kPageBytes))
      driver()->note_fault("pages in the balloon that do not exist");
  };
  std::uint32_t page = 0;
  while (reader.read(std::as_writable_bytes(std::span(&page, 1))) == sizeof page) {
    if (run_pages != 0 && page == run_start + run_pages) {
      ++run_pages;
      continue;
    }
    give_back();
    run_start = page;
    run_pages = 1;
  }
  give_back();
}

// The buffers themselves are what the guest does not use.
void Balloon::take_reported(const Chain& chain) {
  for (const auto& range : chain.writable) {
    if (!memory_.release(range)) driver()->note_fault("a reported range that is not of whole pages");
  }
}

}  // namespace tl::virtio::balloon
