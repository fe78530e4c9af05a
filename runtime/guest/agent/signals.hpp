// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>

#include <asio/posix/stream_descriptor.hpp>

#include "common/result.hpp"

namespace tl::guest {

// All dispositions are the default ones afterwards, and what the agent takes from descriptors (SIGCHLD,
// `more`) or from errno (SIGPIPE) is blocked, so that a new process has nothing to clear up but its mask.
void prepare_signals(const sigset_t& more);

// A signalfd(2) for signals that are blocked: each read gives a signalfd_siginfo.
Result<asio::posix::stream_descriptor> open_signals(const asio::any_io_executor& executor,
                                                    const sigset_t& set);

}  // namespace tl::guest
