// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/files_end.hpp"

#include <charconv>
#include <csignal>
#include <utility>

#include "common/printable.hpp"
#include "runtime/sandbox/liveness.hpp"

namespace tl {
namespace {

constexpr std::size_t kShownBytes = 1000;  // of a guest's own words
constexpr int kSignalBase = 128;

// What the agent's program exits with is the number of an error's kind. What its host lacks is not for ours
// to have.
ErrorCode code_of(int exit_code) {
  for (const auto code : {ErrorCode::kNotFound, ErrorCode::kConflict, ErrorCode::kOutOfRange}) {
    if (exit_code == static_cast<int>(code)) return code;
  }
  return ErrorCode::kFailure;
}

}  // namespace

FilesEnd::FilesEnd(registry::SandboxRecord record, guest::FilesRequest request, UniqueFd control)
    : record_(std::move(record)), request_(std::move(request)), control_(std::move(control)) {}

Result<FilesEnd::Done> FilesEnd::run(ExecStreams streams) {
  const bool puts = request_.operation == guest::FilesRequest::Operation::kPut;
  std::string out, err;
  if (puts) streams.out = {-1, &out};
  streams.err = {-1, &err};
  streams.on_signal = ExecStreams::OnSignal::kHangUp;
  const auto outcome = run_files(std::move(control_), request_, streams);
  if (!outcome) return outcome.error();
  const std::string said = make_printable(outcome->failure.empty() ? err : outcome->failure, kShownBytes);
  Done done;
  done.reader_gone = !puts && outcome->exit_code == kSignalBase + SIGPIPE;
  if (done.reader_gone) return done;
  if (outcome->exit_code != 0) {
    const std::string why =
        said.empty() ? "the copy ended there with " + std::to_string(outcome->exit_code) : said;
    return Error{code_of(outcome->exit_code), why, ""}.within("sandbox " + handle(record_));
  }
  if (puts) {
    const auto [end, wrong] = std::from_chars(out.data(), out.data() + out.size(), done.bytes);
    if (wrong != std::errc() || end != out.data() + out.size()) {
      return Error{ErrorCode::kFailure, "the sandbox's answer makes no sense", ""};
    }
  }
  if (!said.empty()) done.warning = "sandbox " + handle(record_) + ": " + said;
  return done;
}

}  // namespace tl
