// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/context.hpp"
#include "runtime/sandbox/info.hpp"
#include "runtime/sandbox/spec.hpp"

// What exec and run share.
namespace tl::cli {

// -t -w -e --user, --interactive under `interactive_names`, and the tail; they set `options`, which outlives
// the command.
void add_exec_flags(Command& command, ExecOptions& options,
                    const std::vector<std::string>& interactive_names);

// Joins the command's terminal to ours where both are wanted and there. To be called before it is run.
void settle_terminal(const Context& context, ExecOptions& options);

// Says why the command did not start, when it did not; the exit code.
int report_outcome(Context& context, const ExecOutcome& outcome);

}  // namespace tl::cli
