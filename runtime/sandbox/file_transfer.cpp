// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/file_transfer.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "common/printable.hpp"
#include "runtime/guest/files/byte_stream.hpp"
#include "runtime/guest/files/pack.hpp"
#include "runtime/guest/files/unpack.hpp"

// A copy has two ends and a pipe between them. An end in a sandbox is moved by this thread's event loop, a
// local one blocks in a thread of its own, and the pipe makes either wait for the other. Whichever ends
// first closes its side of the pipe, by which the other ends too; so no copy hangs, and which of the two
// errors is the cause is told by who was not merely left alone.
namespace tl {
namespace {

using guest::Destination;
using Form = guest::FilesRequest::Form;
using Operation = guest::FilesRequest::Operation;

constexpr std::size_t kShownBytes = 1000;
constexpr const char* kStream = "-";

struct Pipe {
  UniqueFd read_end, write_end;
};

Result<Pipe> make_pipe() {
  constexpr int kCapacity = 256 * 1024;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("make a pipe");
  Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  ::fcntl(ends[0], F_SETPIPE_SZ, kCapacity);  // where that is too much it stays as it is
  return pipe;
}

// The side that an event loop writes to.
void make_non_blocking(const UniqueFd& fd) {
  ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
}

// What a copy of the path is called in a folder: nothing for the likes of "." and "/", whose contents are
// meant.
std::string name_of(std::string path) {
  while (!path.empty() && path.back() == '/') path.pop_back();
  const std::size_t slash = path.rfind('/');
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  return name == "." || name == ".." ? "" : name;
}

// Names may be anybody's.
Error printable(const Error& error) {
  return Error{error.code, make_printable(error.message, kShownBytes), error.hint};
}

// What the local end of an upload did.
struct Given {
  std::uint64_t bytes = 0;
  std::string warning;
  bool complete = true;  // false: the sandbox took no more
};

Result<Given> give(const std::string& path, Form form, UniqueFd to) {
  if (form == Form::kBytes) {
    const auto sent = guest::send_chunks(STDIN_FILENO, to.get());
    if (!sent) return sent.error().within("stdin");
    return Given{sent->bytes, "", sent->complete};
  }
  const auto packed = guest::pack(path, to.get());
  if (!packed) return printable(packed.error());
  Given given{packed->bytes, "", packed->complete};
  if (packed->left_out > 0) given.warning = make_printable(guest::left_out(*packed), kShownBytes);
  return given;
}

Result<guest::Unpacked> take(UniqueFd from, const Destination& destination) {
  auto unpacked = guest::unpack(from.get(), destination);
  if (!unpacked) return printable(unpacked.error());
  return unpacked;
}

// Waits for either; true when it was `fd` (-1: it never is).
bool is_first(int fd, int other) {
  pollfd fds[] = {{fd, POLLIN, 0}, {other, POLLIN, 0}};
  while (::poll(fds, 2, -1) < 0 && errno == EINTR) {
  }
  return fds[0].revents != 0;
}

void add_warning(FilesCopied& copied, std::string warning) {
  if (!warning.empty()) copied.warnings.push_back(std::move(warning));
}

}  // namespace

Result<FilesCopied> send_files(FilesEnd& to, const FileCopy& copy) {
  const bool is_stream = copy.from.path == kStream;
  guest::FilesRequest& request = to.request();
  request.operation = Operation::kPut;
  request.form = is_stream ? Form::kBytes : Form::kArchive;
  request.name = is_stream ? "" : name_of(copy.from.path);
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();

  std::optional<Result<Given>> given;
  std::thread giver([&] { given = give(copy.from.path, request.form, std::move(pipe->write_end)); });
  auto put = to.run({.in = pipe->read_end.get(), .signals = copy.signals, .moved = copy.moved});
  pipe->read_end.reset();
  giver.join();
  if (!*given) return given->error();
  if (!put) return put.error();
  if (!(*given)->complete) return Error{ErrorCode::kFailure, "the sandbox did not take the whole copy", ""};
  FilesCopied copied{(*given)->bytes, {}};
  add_warning(copied, std::move((*given)->warning));
  add_warning(copied, std::move(put->warning));
  return copied;
}

Result<FilesCopied> receive_files(FilesEnd& from, const FileCopy& copy) {
  FilesCopied copied;
  ExecStreams streams{.signals = copy.signals, .moved = copy.moved};
  if (copy.to.path == kStream) {
    from.request().form = Form::kBytes;
    streams.moved = [&](std::uint64_t bytes) {
      copied.bytes = bytes;
      if (copy.moved) copy.moved(bytes);
    };
    const auto got = from.run(std::move(streams));
    if (!got) return got.error();
    copied.complete = !got->reader_gone;
    return copied;
  }
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  make_non_blocking(pipe->write_end);
  const Destination destination{copy.to.path, name_of(copy.from.path), Destination::Parents::kMustBeThere};
  std::optional<Result<guest::Unpacked>> unpacked;
  std::thread taker([&] { unpacked = take(std::move(pipe->read_end), destination); });
  streams.out = {pipe->write_end.get()};
  auto got = from.run(std::move(streams));
  pipe->write_end.reset();
  taker.join();
  if (!got) return got.error();
  if (!*unpacked) return unpacked->error();
  if (got->reader_gone) return Error{ErrorCode::kFailure, "the sandbox sent more than a copy", ""};
  copied.bytes = (*unpacked)->bytes;
  add_warning(copied, std::move(got->warning));
  return copied;
}

Result<FilesCopied> pass_files(FilesEnd& from, FilesEnd& to, const FileCopy& copy) {
  to.request().operation = Operation::kPut;
  to.request().name = name_of(copy.from.path);
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  make_non_blocking(pipe->write_end);
  // Only one of the two can be told of a signal by the caller; the other learns of it by this one.
  auto broken_off = make_pipe();
  if (!broken_off) return broken_off.error();

  auto ended = make_pipe();
  if (!ended) return ended.error();

  std::optional<Result<FilesEnd::Done>> put;
  std::thread putter([&] {
    put = to.run({.in = pipe->read_end.get(), .signals = broken_off->read_end.get()});
    pipe->read_end.reset();
    ended->write_end.reset();
  });
  auto got = from.run({.out = {pipe->write_end.get()}, .signals = copy.signals, .moved = copy.moved});
  if (!got) broken_off->write_end.reset();
  pipe->write_end.reset();
  if (got && is_first(copy.signals, ended->read_end.get())) broken_off->write_end.reset();
  putter.join();
  if (!got) return got.error();
  if (!*put) return put->error();
  FilesCopied copied{(*put)->bytes, {}};
  add_warning(copied, std::move(got->warning));
  add_warning(copied, std::move((*put)->warning));
  return copied;
}

}  // namespace tl
