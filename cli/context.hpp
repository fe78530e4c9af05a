// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/terminal.hpp"
#include "common/result.hpp"
#include "runtime/sandbox/runtime.hpp"

namespace tl::cli {

// What a program built on the command tree gives to it. Tests give fakes.
struct Services {
  std::function<Result<std::unique_ptr<Runtime>>(const RuntimeOptions&)> open_runtime;
  // Builds the default image into a store; the digest of what it made.
  std::function<Result<std::string>(const std::string& store, const Runtime::Progress&)> make_default_image;
};

// Where output goes, and what it looks like there.
struct Console {
  int out_fd = 1;
  int error_fd = 2;
  Terminal in{};  // what stdin comes from
  Terminal out{};
  Terminal error{};
  std::chrono::system_clock::time_point now = std::chrono::system_clock::now();
};

// The flags that every command takes.
struct GlobalFlags {
  RuntimeOptions runtime;
};

// What a verb works with: the runtime, opened when first asked for, and the two outputs.
class Context {
 public:
  Context(const Services& services, const GlobalFlags& globals, const Console& console,
          Command::Failures failures);

  // Owned by the context; the same at each call.
  Result<Runtime*> runtime();
  [[nodiscard]] const Services& services() const { return services_; }

  Output& out() { return out_; }
  Output& error() { return error_; }
  [[nodiscard]] Terminal in_terminal() const { return console_.in; }
  [[nodiscard]] Terminal out_terminal() const { return console_.out; }
  [[nodiscard]] Terminal error_terminal() const { return console_.error; }
  [[nodiscard]] std::chrono::system_clock::time_point now() const { return console_.now; }

  // Prints "Error: …" and the hint when there is one; the exit code for it.
  int fail(const Error& error);
  void warn(std::string_view sentence);

 private:
  const Services& services_;
  const GlobalFlags& globals_;
  Console console_;
  Command::Failures failures_;
  Output out_;
  Output error_;
  std::unique_ptr<Runtime> runtime_;
};

// The one form that errors have on stderr.
void print_error(Output& output, Terminal terminal, std::string_view message, std::string_view hint);

}  // namespace tl::cli
