// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tl::monitor {

// A monitor lives as long as its sandbox and is idle for most of it: what only its start needs must not stay
// in the host's memory with it.

// Before the first thread: one heap for all, and small stacks, which also keeps the host from giving each a
// huge page.
void prepare_for_small_threads();

// Gives back what the start has used: free heap, and pages of the program itself, which come back from the
// page cache when they are needed again.
void give_back_start_up_memory();

}  // namespace tl::monitor
