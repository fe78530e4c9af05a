// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/context.hpp"
#include "common/result.hpp"

namespace tl::cli {

// Reports the failure of a call that was given a SignalRelay's descriptor. The exit code: 128+n when signal n
// gave it up, else the error's.
int fail_or_given_up(Context& context, const Error& error);

}  // namespace tl::cli
