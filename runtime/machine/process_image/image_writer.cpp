// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/process_image/image_writer.hpp"

#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "common/io.hpp"
#include "runtime/machine/process_image/c_library.hpp"
#include "runtime/machine/process_image/image_file.hpp"
#include "runtime/machine/process_image/image_host.hpp"
#include "runtime/machine/process_image/memory_regions.hpp"
#include "runtime/machine/process_image/open_descriptors.hpp"
#include "runtime/machine/process_image/script.hpp"
#include "runtime/machine/process_image/signal_frame.hpp"

namespace tl::machine {
namespace {

// Parts of memory that are this close to each other are one: a mapping costs more than pages that nobody
// looks at.
constexpr std::uint64_t kGapPages = 32;
// A main thread's stack grows by itself, as far as this; the image's is as large from the beginning.
constexpr std::uint64_t kStackBytes = 8 << 20;
constexpr std::uint64_t kStackGuardBytes = 1 << 20;

constexpr std::uint64_t kPrivate = MAP_PRIVATE | MAP_FIXED;
constexpr std::uint64_t kAnonymous = kPrivate | MAP_ANONYMOUS | MAP_NORESERVE;
constexpr std::uint64_t kNoFile = ~0ULL;

std::uint64_t as_word(std::int64_t number) {
  return static_cast<std::uint64_t>(number);
}

// Makes the script of a stopped process, and writes what the script needs.
class Writer {
 public:
  Writer(const StoppedProcess& process, const ProcessImageSpec& spec, int file)
      : process_(process), spec_(spec), file_(file), used_(spec.inherited.begin(), spec.inherited.end()) {}

  Result<void> write() {
    auto regions = regions_of(process_.pid());
    if (!regions) return regions.error();
    auto descriptors = descriptors_of(process_.pid());
    if (!descriptors) return descriptors.error();
    regions_ = *std::move(regions);
    descriptors_ = *std::move(descriptors);
    for (const auto step :
         {&Writer::place_vdso, &Writer::find_heap_end, &Writer::place_own, &Writer::place_files,
          &Writer::place_shared, &Writer::open_descriptors, &Writer::settle, &Writer::begin_threads}) {
      if (auto done = (this->*step)(); !done) return done;
    }
    return finish();
  }

 private:
  // The number that the next descriptor gets.
  [[nodiscard]] int next_descriptor() const {
    int number = 0;
    while (used_.contains(number)) ++number;
    return number;
  }

  void advise(const MemoryRegion& region, std::uint64_t begin, std::uint64_t size) {
    for (const int advice : region.advice)
      main_.call(SYS_madvise, {begin, size, as_word(advice)}, 0, ScriptCall::kAnyResult);
  }

  void map(std::uint64_t address, std::uint64_t size, int protection, std::uint64_t flags,
           std::uint64_t descriptor, std::uint64_t offset) {
    main_.call(SYS_mmap, {address, size, as_word(protection), flags, descriptor, offset}, address);
  }

  // First of all, since it lies anywhere.
  Result<void> place_vdso() {
    const auto vdso = std::find_if(regions_.begin(), regions_.end(),
                                   [](const MemoryRegion& region) { return region.is_vdso(); });
    if (vdso == regions_.end()) return cannot_have("a process without a vDSO");
    for (const MemoryRegion& region : regions_) {
      if (region.begin < kImageEnd) return cannot_have("a process that is from an image itself");
      if (!region.is_kernels()) continue;
      main_.call(SYS_mremap,
                 {region.begin - vdso->begin, region.size(), region.size(), MREMAP_MAYMOVE | MREMAP_FIXED,
                  region.begin},
                 region.begin, ScriptCall::kFromVdso);
    }
    return {};
  }

  Result<void> find_heap_end() {
    auto found = find_heap_ends(process_, regions_);
    if (!found) return found.error();
    heap_ends_ = *std::move(found);
    return {};
  }

  // Memory that only the process has.
  Result<void> place_own() {
    const int image = next_descriptor();
    main_.call(SYS_open, {data_.add_text("/proc/self/exe"), O_RDONLY | O_CLOEXEC}, as_word(image));
    const MemoryRegion* before = nullptr;
    for (const MemoryRegion& region : regions_) {
      if (!region.shared && !region.is_kernels()) {
        if (auto placed = place(region, before, image); !placed) return placed;
      }
      before = &region;
    }
    main_.call(SYS_close, {as_word(image)});
    return {};
  }

  Result<void> place(const MemoryRegion& region, const MemoryRegion* before, int image) {
    auto pages = own_pages(process_.pid(), region);
    if (!pages) return pages.error();
    if (region.has_file()) {
      const bool changed = std::find(pages->begin(), pages->end(), true) != pages->end();
      if (!changed && region.can_be_opened()) {
        of_files_.push_back(&region);
        return {};
      }
      pages->assign(pages->size(), true);
    } else {
      std::uint64_t begin = region.begin;
      if (region.name == "[stack]") {
        const std::uint64_t lowest = before == nullptr ? kImageEnd : before->end + kStackGuardBytes;
        begin = std::min(begin, std::max(lowest, region.end - kStackBytes));
      }
      map(begin, region.end - begin, region.protection, kAnonymous, kNoFile, 0);
      advise(region, begin, region.end - begin);
    }
    for (const PageRun& run : runs_of(*pages, kGapPages)) {
      const std::uint64_t address = region.begin + run.first * kProcessPageBytes;
      const std::uint64_t offset = position_;
      auto kept = keep(address, run, *pages);
      if (!kept) return kept.error();
      if (!*kept) continue;
      map(address, run.count * kProcessPageBytes, region.protection, kPrivate, as_word(image), offset);
      advise(region, address, run.count * kProcessPageBytes);
    }
    return {};
  }

  // Whether there was anything in the pages but zeros; they are in the file then, at position_ before.
  Result<bool> keep(std::uint64_t address, const PageRun& run, const std::vector<bool>& pages) {
    constexpr std::uint64_t kBatch = 256;
    std::vector<std::byte> bytes(kBatch * kProcessPageBytes);
    bool any = false;
    for (std::uint64_t done = 0; done < run.count; done += kBatch) {
      const std::uint64_t count = std::min(kBatch, run.count - done);
      const auto batch = std::span(bytes).first(count * kProcessPageBytes);
      const std::uint64_t begin = address + done * kProcessPageBytes;
      if (auto read = process_.read(begin, batch); !read) return read.error();
      for (const std::uint64_t place : heap_ends_) {
        if (place >= begin && place - begin < batch.size())
          std::memcpy(batch.data() + (place - begin), &kNoHeapEnd, sizeof kNoHeapEnd);
      }
      for (std::uint64_t i = 0; i < count; ++i) {
        const auto page = batch.subspan(i * kProcessPageBytes, kProcessPageBytes);
        const bool zero =
            std::all_of(page.begin(), page.end(), [](std::byte b) { return b == std::byte{0}; });
        if (zero || !pages[run.first + done + i]) continue;
        any = true;
        auto written = pwrite_all(file_, page, position_ + (done + i) * kProcessPageBytes);
        if (!written) return written.error();
      }
    }
    if (any) position_ += run.count * kProcessPageBytes;
    return any;
  }

  // Memory that is a file's, from where it lies.
  Result<void> place_files() {
    std::set<std::string> paths;
    for (const MemoryRegion* region : of_files_) paths.insert(region->name);
    const int file = next_descriptor();
    for (const std::string& path : paths) {
      main_.call(SYS_open, {data_.add_text(path), O_RDONLY | O_CLOEXEC}, as_word(file));
      for (const MemoryRegion* region : of_files_) {
        if (region->name != path) continue;
        map(region->begin, region->size(), region->protection, kPrivate, as_word(file), region->offset);
        advise(*region, region->begin, region->size());
      }
      main_.call(SYS_close, {as_word(file)});
    }
    auto host = image_host({paths.begin(), paths.end()});
    if (!host) return host.error();
    host_ = to_json(*host);
    return {};
  }

  // Memory that others have, too: of an inherited descriptor.
  Result<void> place_shared() {
    for (const MemoryRegion& region : regions_) {
      if (!region.shared) continue;
      const auto from = inherited_with(region.device, region.inode);
      if (!from || !region.has_file()) return cannot_have(fmt::format("memory shared by {}", region.name));
      map(region.begin, region.size(), region.protection, MAP_SHARED | MAP_FIXED, as_word(*from),
          region.offset);
      advise(region, region.begin, region.size());
    }
    return {};
  }

  [[nodiscard]] bool is_inherited(int number) const {
    return std::find(spec_.inherited.begin(), spec_.inherited.end(), number) != spec_.inherited.end();
  }
  [[nodiscard]] std::optional<int> inherited_with(std::uint64_t device, std::uint64_t inode) const {
    for (const OpenDescriptor& descriptor : descriptors_) {
      if (descriptor.kind == OpenDescriptor::Kind::kFile && descriptor.device == device &&
          descriptor.inode == inode && is_inherited(descriptor.number))
        return descriptor.number;
    }
    return std::nullopt;
  }

  // From low numbers to high: whatever is made gets the lowest that is free.
  Result<void> open_descriptors() {
    for (const OpenDescriptor& descriptor : descriptors_) {
      const int number = descriptor.number;
      if (std::find(spec_.dropped.begin(), spec_.dropped.end(), number) != spec_.dropped.end()) continue;
      if (is_inherited(number)) {
        constexpr int kStatus = O_NONBLOCK | O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME;
        main_.call(SYS_fcntl, {as_word(number), F_SETFL, as_word(descriptor.flags & kStatus)});
        main_.call(SYS_fcntl,
                   {as_word(number), F_SETFD, as_word((descriptor.flags & O_CLOEXEC) != 0 ? FD_CLOEXEC : 0)});
        continue;
      }
      const int made = next_descriptor();
      if (auto opened = open(descriptor, made); !opened) return opened;
      if (made != number) {
        main_.call(SYS_dup3, {as_word(made), as_word(number), as_word(descriptor.flags & O_CLOEXEC)},
                   as_word(number));
        main_.call(SYS_close, {as_word(made)});
      }
      used_.insert(number);
    }
    for (const int number : spec_.inherited) {
      const bool open = std::any_of(descriptors_.begin(), descriptors_.end(),
                                    [&](const OpenDescriptor& one) { return one.number == number; });
      if (!open) main_.call(SYS_close, {as_word(number)}, 0, ScriptCall::kAnyResult);
    }
    return {};
  }

  Result<void> open(const OpenDescriptor& descriptor, int made) {
    const int flags = descriptor.flags & (O_NONBLOCK | O_CLOEXEC);
    if (descriptor.kind == OpenDescriptor::Kind::kEvent) {
      constexpr int kSemaphore = 1;  // EFD_SEMAPHORE
      main_.call(SYS_eventfd2,
                 {descriptor.event_count, as_word(flags | (descriptor.event_semaphore ? kSemaphore : 0))},
                 as_word(made));
      return {};
    }
    if (descriptor.kind == OpenDescriptor::Kind::kSignal) {
      const std::uint64_t mask = data_.add_object(descriptor.signal_mask);
      main_.call(SYS_signalfd4, {~0ULL, mask, sizeof(std::uint64_t), as_word(flags)}, as_word(made));
      return {};
    }
    const auto from = inherited_with(descriptor.device, descriptor.inode);
    if (descriptor.kind != OpenDescriptor::Kind::kFile || !from)
      return cannot_have(fmt::format("a descriptor of {}", descriptor.target));
    main_.call(SYS_open,
               {data_.add_text(fmt::format("/proc/self/fd/{}", *from)),
                as_word(descriptor.flags & (O_ACCMODE | O_NONBLOCK | O_CLOEXEC))},
               as_word(made));
    return {};
  }

  // What a process has that is neither memory nor descriptors.
  Result<void> settle() {
    const auto actions = process_.signal_actions();
    for (std::size_t i = 0; i < actions.size(); ++i) {
      const auto& action = actions[i];
      if (action[0] == 0) continue;
      main_.call(SYS_rt_sigaction, {i + 1, data_.add_object(action), 0, sizeof(std::uint64_t)});
    }
    if (spec_.filter.empty()) return {};
    const std::uint64_t program = data_.add(spec_.filter);
    struct {
      std::uint64_t count;
      std::uint64_t program;
    } const filter{spec_.filter.size() / sizeof(sock_filter), program};
    main_.call(SYS_prctl, {PR_SET_NO_NEW_PRIVS, 1});
    main_.call(SYS_seccomp, {SECCOMP_SET_MODE_FILTER, 0, data_.add_object(filter)});
    return {};
  }

  // What each thread does for itself; it then is where it was.
  void resume(const StoppedProcess::Thread& thread, Script& script) {
    script.call(SYS_prctl, {PR_SET_NAME, data_.add_text(thread.name)});
    script.call(SYS_prctl, {PR_SET_TIMERSLACK, thread.timer_slack_ns});
    if (thread.robust_list != 0)
      script.call(SYS_set_robust_list, {thread.robust_list, thread.robust_list_size});
    if (thread.rseq != 0) script.call(SYS_rseq, {thread.rseq, thread.rseq_size, 0, thread.rseq_signature});
    script.return_from(add_signal_frame(thread, data_));
  }

  Result<void> begin_threads() {
    const auto number = find_thread_number(process_);
    if (!number) return number.error();
    const auto threads = process_.threads();
    for (const auto& thread : threads.subspan(1)) {
      Script script;
      resume(thread, script);
      constexpr std::uint64_t kShared = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                                        CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
                                        CLONE_CHILD_CLEARTID;
      const std::uint64_t place = thread.registers.fs_base + *number;
      main_.call(SYS_clone,
                 {kShared, data_.add_calls(script.calls()), place, place, thread.registers.fs_base}, 0,
                 ScriptCall::kThread | ScriptCall::kAnyResult);
    }
    const auto& main = threads.front();
    const std::uint64_t place = main.registers.fs_base + *number;
    main_.call(SYS_set_tid_address, {place, 0, 0, 0, 0, place}, 0,
               ScriptCall::kStore | ScriptCall::kAnyResult);
    main_.call(SYS_arch_prctl, {ARCH_SET_FS, main.registers.fs_base});
    resume(main, main_);
    return {};
  }

  Result<void> finish() {
    return make_program(file_, position_, {std::as_bytes(main_.calls()), data_.bytes(), host_});
  }

  const StoppedProcess& process_;
  const ProcessImageSpec& spec_;
  int file_;
  std::vector<MemoryRegion> regions_;
  std::vector<OpenDescriptor> descriptors_;
  std::vector<const MemoryRegion*> of_files_;
  std::vector<std::uint64_t> heap_ends_;  // addresses of what the C library takes for the heap's end
  std::string host_;
  Script main_;
  ScriptData data_{kDataAddress};
  std::set<int> used_;                      // descriptors that are open while the script is played
  std::uint64_t position_ = kMemoryOffset;  // where the file's next part goes
};

}  // namespace

Result<void> write_image(const StoppedProcess& process, const ProcessImageSpec& spec, int file) {
  return Writer(process, spec, file).write();
}

}  // namespace tl::machine
