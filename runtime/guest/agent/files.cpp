// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/files.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/io.hpp"
#include "runtime/guest/files/byte_stream.hpp"
#include "runtime/guest/files/pack.hpp"
#include "runtime/guest/files/unpack.hpp"

namespace tl::guest {
namespace {

constexpr const char* kProgram = "tl-agent";
constexpr const char* kPut = "put";
constexpr const char* kGet = "get";
constexpr const char* kArchive = "archive";
constexpr const char* kBytes = "bytes";

void say(std::string_view text) {
  static_cast<void>(write_all(STDERR_FILENO, text));
}

int fail(const Error& error) {
  say(error.message);
  return static_cast<int>(error.code);
}

int put(const std::string& form, const Destination& destination) {
  // Hung up, it is to see the end of its stdin, and to clean up.
  ::signal(SIGHUP, SIG_IGN);
  std::uint64_t bytes = 0;
  if (form == kBytes) {
    const auto received = receive_chunks(STDIN_FILENO, destination);
    if (!received) return fail(received.error());
    bytes = *received;
  } else {
    const auto unpacked = unpack(STDIN_FILENO, destination);
    if (!unpacked) return fail(unpacked.error());
    bytes = unpacked->bytes;
  }
  const auto told = write_all(STDOUT_FILENO, std::to_string(bytes));
  return told ? 0 : fail(told.error());
}

int get(const std::string& form, const std::string& path) {
  ::signal(SIGPIPE, SIG_IGN);
  if (form == kBytes) {
    const auto sent = send_file(path, STDOUT_FILENO);
    return sent ? 0 : fail(sent.error());
  }
  const auto packed = pack(path, STDOUT_FILENO);
  if (!packed) return fail(packed.error());
  if (packed->left_out > 0) say(left_out(*packed));
  return 0;
}

}  // namespace

ExecRequest files_command(const FilesRequest& request) {
  const bool puts = request.operation == FilesRequest::Operation::kPut;
  ExecRequest command;
  command.argv = {kProgram, puts ? kPut : kGet,
                  request.form == FilesRequest::Form::kBytes ? kBytes : kArchive, request.path, request.name};
  command.working_directory = request.working_directory;
  command.user = request.user;
  command.stdin_stream = puts;
  return command;
}

std::optional<int> move_files(const std::vector<std::string>& words) {
  constexpr std::size_t kWords = 5;
  if (words.size() != kWords || (words[2] != kArchive && words[2] != kBytes)) return std::nullopt;
  ::prctl(PR_SET_NAME, kProgram);  // else it is the number of a descriptor
  if (words[1] == kGet) return get(words[2], words[3]);
  if (words[1] == kPut) return put(words[2], {words[3], words[4], Destination::Parents::kMake});
  return std::nullopt;
}

}  // namespace tl::guest
