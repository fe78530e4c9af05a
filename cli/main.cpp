// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <csignal>
#include <string_view>

#include "cli/program.hpp"
#include "runtime/monitor/monitor_main.hpp"
#include "runtime/sandbox/images.hpp"

int main(int argc, char** argv) {
  // The same executable is the monitor of a sandbox when the runtime starts it so: not a command, never
  // typed.
  if (argc > 1 && std::string_view(argv[1]) == "--monitor") return tl::monitor::main(argc, argv);

  std::signal(SIGPIPE, SIG_IGN);  // writing says EPIPE instead
  const tl::cli::Services services{tl::Runtime::open, tl::make_default_image};
  tl::cli::Console console;
  console.in = tl::cli::Terminal::of(STDIN_FILENO);
  console.out = tl::cli::Terminal::of(console.out_fd);
  console.error = tl::cli::Terminal::of(console.error_fd);
  return tl::cli::run_program({argv + (argc > 0 ? 1 : 0), argv + argc}, services, console);
}
