// SPDX-License-Identifier: Apache-2.0
// How a machine goes to disk and comes back, whichever kind it is: its memory as a MemoryImage, the rest as a
// MachineState, in one folder. The order keeps memory and disk together: a state is written last, when memory
// and disk are there, and removed before the guest runs on, because from then on it is no longer true.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <future>
#include <thread>

#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "common/async_event.hpp"
#include "common/io.hpp"
#include "runtime/monitor/assembly.hpp"
#include "runtime/registry/paths.hpp"
#include "runtime/snapshot/first_pages.hpp"

namespace tl::monitor {
namespace {

using snapshot::MachineState;
using snapshot::MemoryImage;

constexpr int kDevices = 2;  // one more whenever machines get other devices; 2: a network card

Result<UniqueFd> open_folder(const std::filesystem::path& path) {
  return open_at(AT_FDCWD, path.string(), O_RDONLY | O_DIRECTORY);
}

// The process that had a machine is of the moment of its state: it goes before that goes, and is not there
// when another comes, so that a kill in between leaves a state alone.
Result<void> drop_process(int folder) {
  if (::unlinkat(folder, registry::layout::kEmulator, 0) == 0 || errno == ENOENT) return {};
  return errno_error("remove the saved emulator");
}

Result<UniqueFd> make_folder(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("make " + path.string());
  return open_folder(path);
}

}  // namespace

std::filesystem::path Assembly::machine_folder() const {
  return plan_.work_folder / registry::layout::kMachine;
}

// A machine that was saved has its kernel in its memory: which one, is no condition.
snapshot::Fingerprint Assembly::fingerprint() const {
  snapshot::Fingerprint here;
  here.accelerator = plan_.record.accelerator;
  here.build = fmt::format("{}/{}", TL_VERSION, kDevices);
  here.cpu = plan_.cpu;
  here.memory_bytes = memory_bytes();
  here.vcpus = static_cast<std::uint32_t>(std::ceil(plan_.record.resources.cpus));
  return here;
}

Result<void> Assembly::load_saved(machine::MachineSpec& spec) {
  auto folder = open_folder(machine_folder());
  if (!folder) return folder.error();
  auto state = MachineState::load(folder->get(), fingerprint());
  if (!state) return state.error();
  auto image = MemoryImage::open(*std::move(folder), machine_folder(), memory_bytes());
  if (!image) return image.error();
  spec.saved_state = *std::move(state);
  std::error_code ignored;
  const std::filesystem::path emulator = machine_folder() / registry::layout::kEmulator;
  if (std::filesystem::exists(emulator, ignored)) spec.process_image = emulator;
  restored_.emplace(*std::move(image));
  return {};
}

Result<void> Assembly::make_memory(machine::MachineSpec& spec) {
  auto memory = GuestMemory::create(memory_bytes());
  if (!memory) return memory.error();
  memory_.emplace(*std::move(memory));
  return restored_ ? map_memory(spec) : Result<void>();
}

Result<void> Assembly::map_memory(machine::MachineSpec& spec) {
  const auto mapped = restored_->map_private(memory_->ram().data());
  restored_.reset();
  if (!mapped) return mapped.error().within("map the saved memory");
  if (auto kept = memory_->give_to_children(false); !kept) return kept;
  const std::uint64_t pages = memory_bytes() / snapshot::kPageBytes;
  const auto writes = snapshot::page_list_from(plan_.details.first_writes, pages, snapshot::kMaxFirstWrites);
  const auto reads = snapshot::page_list_from(plan_.details.first_reads, pages, snapshot::kMaxFirstReads);
  for (const snapshot::PageRun& run : (reads | writes).runs())
    spec.first_pages.push_back({run.first, run.count});
  if (writes.empty()) return {};
  // While everything else is made.
  copying_ = std::async(std::launch::async,
                        [ram = memory_->ram(), writes] { snapshot::copy_in_advance(ram, writes); });
  return {};
}

Result<snapshot::PageSet> Assembly::touched_pages() {
  if (!memory_) return Error{ErrorCode::kHostLacks, "the guest's memory is another process's", ""};
  auto folder = open_folder(machine_folder());
  if (!folder) return folder.error();
  const auto image = MemoryImage::open(*std::move(folder), machine_folder(), memory_bytes());
  if (!image) return image.error();
  auto present = snapshot::present_pages(memory_->ram());
  if (!present) return present.error();
  *present &= image->contents();
  return present;
}

Result<void> Assembly::fill_memory_file() {
  const auto read = restored_->read_into(memory_file_.get());
  restored_.reset();
  if (!read) return read.error().within("read the saved memory");
  return {};
}

Result<void> Assembly::forget_saved() {
  const auto folder = open_folder(machine_folder());
  if (!folder) return errno == ENOENT ? Result<void>() : folder.error();
  if (auto dropped = drop_process(folder->get()); !dropped) return dropped;
  return MachineState::remove(folder->get(), plan_.record.name ? Durability::kSynced : Durability::kLazy);
}

asio::awaitable<Result<void>> Assembly::start() {
  // A machine that is another process has yet to load what was saved (TcgWiring::memory_ready).
  if (plan_.begin == Plan::Begin::kRestore && is_kvm()) {
    if (auto forgotten = forget_saved(); !forgotten) co_return forgotten;
  }
  auto started = co_await machine_->start();
  // What is there all the same is of a save that was killed, or has lost its state: nobody goes on from it.
  if (plan_.begin == Plan::Begin::kBoot && had_disk_) {
    std::error_code ignored;
    std::filesystem::remove_all(machine_folder(), ignored);
  }
  co_return started;
}

Result<std::span<const std::byte>> Assembly::memory_view() {
  if (memory_) return std::span<const std::byte>(memory_->ram());
  if (memory_file_view_.empty()) {
    const void* const mapped = ::mmap(nullptr, memory_bytes(), PROT_READ, MAP_SHARED, memory_file_.get(), 0);
    if (mapped == MAP_FAILED) return errno_error("map the guest's memory");
    memory_file_view_ = {static_cast<const std::byte*>(mapped), memory_bytes()};
  }
  return memory_file_view_;
}

Result<snapshot::RamPages> Assembly::pages(Pages which) {
  if (!memory_) return snapshot::allocated_pages(memory_file_.get(), memory_bytes());
  const std::span<const std::byte> ram = memory_->ram();
  auto found = snapshot::dirty_pages(ram);
  if (!found) return found.error();
  // A machine that was restored has all that it has not touched from the image in its folder.
  if (which == Pages::kAll && plan_.begin == Plan::Begin::kRestore) {
    auto folder = open_folder(machine_folder());
    if (!folder) return folder.error();
    const auto image = MemoryImage::open(*std::move(folder), machine_folder(), memory_bytes());
    if (image) {
      found->written |= image->contents();
    } else {
      found->written.add({0, found->written.size()});
    }
    found->written -= found->zero;
  }
  return found;
}

Result<void> Assembly::write_memory(const std::filesystem::path& folder, Pages which, Durability durability) {
  auto fd = make_folder(folder);
  if (!fd) return fd.error();
  Result<MemoryImage> image = Error{ErrorCode::kNotFound, "", ""};
  if (which == Pages::kChanged) {
    auto own = duplicate(*fd);
    if (!own) return own.error();
    image = MemoryImage::open(*std::move(own), folder, memory_bytes());
  }
  if (!image) {
    // The first time, or the last save failed: then what is not changed is not on disk either.
    which = Pages::kAll;
    image = MemoryImage::create(*std::move(fd), folder, memory_bytes());
    if (!image) return image.error();
  }
  const auto view = memory_view();
  if (!view) return view.error();
  const auto found = pages(which);
  if (!found) return found.error();
  const auto saved = image->save(*view, *found, durability);
  if (!saved) return saved.error().within("save the memory");
  return {};
}

asio::awaitable<Result<void>> Assembly::save(Durability durability) {
  const auto state = co_await machine_->save();
  if (!state) co_return state.error();
  if (auto flushed = disk_->flush(); !flushed) co_return flushed.error().within("flush the disk");
  if (auto written = write_memory(machine_folder(), Pages::kChanged, durability); !written) co_return written;
  const auto folder = open_folder(machine_folder());
  if (!folder) co_return folder.error();
  if (auto dropped = drop_process(folder->get()); !dropped) co_return dropped;
  co_return MachineState::save(folder->get(), fingerprint(), *state, durability);
}

asio::awaitable<Result<std::optional<ForkedWriter>>> Assembly::save_aside(std::filesystem::path folder,
                                                                          Durability durability) {
  const auto state = co_await machine_->save();
  if (!state) co_return state.error();
  const auto fd = make_folder(folder);
  if (!fd) co_return fd.error();
  if (auto saved = MachineState::save(fd->get(), fingerprint(), *state, durability); !saved)
    co_return saved.error();
  const auto write = [this, folder, durability] { return write_memory(folder, Pages::kAll, durability); };
  if (!memory_) {
    // The memory is shared with the machine's process: a fork of ours would not keep it as it is.
    if (auto written = write(); !written) co_return written.error();
    co_return std::optional<ForkedWriter>();
  }
  if (auto given = memory_->give_to_children(true); !given) co_return given.error();
  auto writer = ForkedWriter::start(write);
  const auto kept = memory_->give_to_children(false);
  if (!writer) co_return writer.error();
  if (!kept) co_return kept.error();
  co_return std::optional<ForkedWriter>(*std::move(writer));
}

asio::awaitable<Result<void>> Assembly::keep_process(std::filesystem::path folder) {
  auto kept = co_await machine_->keep_process(folder / registry::layout::kEmulator);
  co_return kept;
}

Result<void> Assembly::freeze_disk() {
  const auto frozen = disk_->freeze();
  if (!frozen) return frozen.error();
  return {};
}

// Merging copies, so it happens in a thread of its own; only what has to be done with the disk is done here.
asio::awaitable<Result<void>> Assembly::flatten_disk(asio::any_io_executor executor) {
  if (!disk_->wants_flattening()) co_return Result<void>();
  auto planned = disk_->plan_flattening();
  if (!planned) co_return planned.error();
  AsyncEvent changed(executor);
  std::optional<Result<void>> merged;
  std::thread thread([&, flattening = planned->get()] {
    const Result<void> outcome = flattening->merge();
    asio::post(executor, [&merged, &changed, outcome] {
      merged = outcome;
      changed.notify_all();
    });
  });
  while (!merged) co_await changed.wait();
  thread.join();
  Result<void> paused = co_await machine_->pause();
  if (!paused) co_return paused;
  const Result<void> installed = disk_->install(*std::move(planned));
  auto resumed = co_await machine_->resume();
  if (!installed) co_return installed;
  co_return resumed;
}

}  // namespace tl::monitor
