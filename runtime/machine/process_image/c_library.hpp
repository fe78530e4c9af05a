// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "runtime/machine/process_image/memory_regions.hpp"
#include "runtime/machine/process_image/stopped_process.hpp"

// What the C library of a process keeps of the kernel's, and another process would have otherwise. Where it
// keeps that is no interface, and is found by the value.
namespace tl::machine {

// kFailure: "an image cannot have …".
Error cannot_have(std::string_view what);

// A thread's number, with which owners of mutexes are compared: 32 bits at this distance from each thread's
// fs_base. kFailure when there is no such place, or more than one.
Result<std::uint64_t> find_thread_number(const StoppedProcess& process);

// The end of the heap: addresses of 64 bits each. The new process's brk(2) is elsewhere; a library that gave
// memory back to it would take what it says then for a heap that has shrunk by half the address space.
// kFailure when there is a heap, and nobody knows its end.
Result<std::vector<std::uint64_t>> find_heap_ends(const StoppedProcess& process,
                                                  std::span<const MemoryRegion> regions);

// What belongs there instead: a heap that ends here neither grows nor shrinks, and the C library maps what it
// needs more, as it does when somebody is in the heap's way.
constexpr std::uint64_t kNoHeapEnd = ~(kProcessPageBytes - 1);

}  // namespace tl::machine
