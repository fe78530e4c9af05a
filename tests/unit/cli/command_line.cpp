// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cli/command_line.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include "common/check.hpp"
#include "common/io.hpp"
#include "common/unique_fd.hpp"

namespace tl::cli::test {
namespace {

std::string contents(const UniqueFd& file) {
  TL_CHECK(::lseek(file.get(), 0, SEEK_SET) == 0);
  auto text = read_to_end(file.get(), 1 << 24);
  TL_CHECK(text.has_value());
  return *text;
}

}  // namespace

std::chrono::system_clock::time_point present() {
  return std::chrono::system_clock::time_point(std::chrono::seconds(1795454400));
}

Outcome CommandLine::operator()(const std::vector<std::string>& words, Leads leads) {
  const UniqueFd out(::memfd_create("out", MFD_CLOEXEC));
  const UniqueFd error(::memfd_create("error", MFD_CLOEXEC));
  Console console;
  console.out_fd = out.get();
  console.error_fd = error.get();
  console.now = present();
  if (leads == Leads::kToTerminals) console.in = console.out = console.error = {Terminal::Kind::kPlain};

  Services services;
  services.open_runtime = [this](const RuntimeOptions& options) -> Result<std::unique_ptr<Runtime>> {
    state->opened_with = options;
    ++state->times_opened;
    return std::unique_ptr<Runtime>(std::make_unique<FakeRuntime>(state));
  };
  services.make_default_image = [](const std::string& store, const Runtime::Progress& progress) {
    progress("installing packages");
    return Result<std::string>("sha256:of-" + store);
  };
  Outcome outcome;
  outcome.exit_code = run_program(words, services, console);
  outcome.out = contents(out);
  outcome.error = contents(error);
  return outcome;
}

}  // namespace tl::cli::test
