// SPDX-License-Identifier: Apache-2.0
#include "cli/context.hpp"

#include "cli/exit_code.hpp"

namespace tl::cli {

Context::Context(const Services& services, const GlobalFlags& globals, const Console& console,
                 Command::Failures failures)
    : services_(services),
      globals_(globals),
      console_(console),
      failures_(failures),
      out_(console.out_fd),
      error_(console.error_fd) {}

Result<Runtime*> Context::runtime() {
  if (runtime_ == nullptr) {
    auto opened = services_.open_runtime(globals_.runtime);
    if (!opened) return opened.error();
    runtime_ = std::move(*opened);
  }
  return runtime_.get();
}

int Context::fail(const Error& error) {
  static_cast<void>(out_.flush());  // what was printed before the failure comes before it
  print_error(error_, console_.error, error.message, error.hint);
  static_cast<void>(error_.flush());
  return exit_code_of(error.code, failures_);
}

void Context::warn(std::string_view sentence) {
  error_.write(console_.error.yellow("Warning:"));
  error_.write(" ");
  error_.line(sentence);
  static_cast<void>(error_.flush());
}

void print_error(Output& output, Terminal terminal, std::string_view message, std::string_view hint) {
  output.write(terminal.red("Error:"));
  output.write(" ");
  output.line(message);
  if (hint.empty()) return;
  output.write(terminal.bold("hint:"));
  output.write(" ");
  output.line(hint);
}

}  // namespace tl::cli
