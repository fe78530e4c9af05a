// SPDX-License-Identifier: Apache-2.0
#include "cli/given_up.hpp"

#include "cli/exit_code.hpp"
#include "cli/signal_relay.hpp"

namespace tl::cli {

int fail_or_given_up(Context& context, const Error& error) {
  const int exit_code = context.fail(error);
  const auto signal = SignalRelay::received();
  return signal ? exit_code_of_signal(*signal) : exit_code;
}

}  // namespace tl::cli
