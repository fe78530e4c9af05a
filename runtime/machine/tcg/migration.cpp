// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/migration.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "common/io.hpp"
#include "common/printable.hpp"
#include "common/unique_fd.hpp"
#include "runtime/machine/tcg/saved_state.hpp"

namespace tl::machine {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kCancelTimeout(5);
constexpr std::chrono::seconds kSettleTimeout(30);
constexpr std::chrono::milliseconds kSettleInterval(1);
constexpr const char* kFile = "state";  // the name of the memfd in QEMU
// Bytes a second. QEMU's own bound, for the sake of a network, is 128 MiB and makes it sleep.
constexpr std::uint64_t kUnbounded = std::uint64_t{1} << 40;

Error failure(std::string sentence) {
  return Error{ErrorCode::kFailure, std::move(sentence), ""};
}

Result<UniqueFd> make_file() {
  UniqueFd file(::memfd_create("tl-state", MFD_CLOEXEC));
  if (!file) return errno_error("make a file for the machine's state");
  return file;
}

Result<std::vector<std::byte>> contents(int file) {
  struct stat status = {};
  if (::fstat(file, &status) != 0) return errno_error("read the machine's state");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0 || size > SavedState::kStreamBytes) return failure("QEMU's state has an impossible size");
  std::vector<std::byte> bytes(size);
  auto read = pread_exact(file, bytes, 0);
  if (!read) return read.error().within("read the machine's state");
  return bytes;
}

}  // namespace

Migration::Migration(asio::any_io_executor executor, std::shared_ptr<QmpClient> qmp)
    : executor_(std::move(executor)), qmp_(std::move(qmp)), changed_(executor_) {}

void Migration::on_event(const std::string& name, const json& data) {
  if (name != "MIGRATION") return;
  const auto status = data.find("status");
  if (status == data.end() || !status->is_string()) return;
  status_ = status->get<std::string>();
  changed_.notify_all();
}

void Migration::end() {
  ended_ = true;
  changed_.notify_all();
}

asio::awaitable<Result<void>> Migration::prepare(std::shared_ptr<Migration> self) {
  const json wanted{
      {"capabilities",
       {{{"capability", "x-ignore-shared"}, {"state", true}}, {{"capability", "events"}, {"state", true}}}}};
  const auto set = co_await QmpClient::execute(self->qmp_, "migrate-set-capabilities", wanted);
  if (!set) co_return set.error();
  co_return Result<void>();
}

asio::awaitable<Result<std::vector<std::byte>>> Migration::save(std::shared_ptr<Migration> self,
                                                                std::chrono::milliseconds timeout) {
  const auto file = make_file();
  if (!file) co_return file.error();
  const auto prepared = co_await prepare(self);
  if (!prepared) co_return prepared.error();
  const json fast{{"max-bandwidth", kUnbounded}};
  const auto hurried = co_await QmpClient::execute(self->qmp_, "migrate-set-parameters", fast);
  if (!hurried) co_return hurried.error();
  const auto streamed = co_await stream_to(self, file->get(), timeout);
  if (!streamed) co_return streamed.error();
  const auto stream = contents(file->get());
  if (!stream) co_return stream.error();
  co_return serialize({self->qmp_->qemu_version(), *stream});
}

asio::awaitable<Result<void>> Migration::stream_to(std::shared_ptr<Migration> self, int file,
                                                   std::chrono::milliseconds timeout) {
  UniqueFd theirs(::fcntl(file, F_DUPFD_CLOEXEC, 0));
  if (!theirs) co_return errno_error("pass a file to QEMU");
  const json name{{"fdname", kFile}};
  const auto passed =
      co_await QmpClient::execute(self->qmp_, "getfd", name, QmpClient::kTimeout, std::move(theirs));
  if (!passed) co_return passed.error();
  self->status_.clear();
  const json where{{"uri", std::string("fd:") + kFile}};
  const auto begun = co_await QmpClient::execute(self->qmp_, "migrate", where);
  if (!begun) {
    [[maybe_unused]] const auto ignored = co_await QmpClient::execute(self->qmp_, "closefd", name);
    co_return begun.error();
  }
  const auto ended = co_await await_end(self, timeout);
  const bool goes_on = !ended && self->status_ != "failed" && self->status_ != "cancelled";
  if (goes_on && !self->ended_) {
    // QEMU refuses to go on in the middle of it.
    [[maybe_unused]] const auto asked = co_await QmpClient::execute(self->qmp_, "migrate_cancel");
    [[maybe_unused]] const auto cancelled = co_await await_end(self, kCancelTimeout);
  }
  const auto settled = co_await settle(self);
  if (ended && !settled) co_return settled.error();
  co_return ended;
}

asio::awaitable<Result<void>> Migration::settle(std::shared_ptr<Migration> self) {
  const auto deadline = std::chrono::steady_clock::now() + kSettleTimeout;
  asio::steady_timer timer(self->executor_);
  while (std::chrono::steady_clock::now() < deadline) {
    const auto told = co_await QmpClient::execute(self->qmp_, "query-status");
    if (!told) co_return told.error();
    const auto status = told->find("status");
    if (status == told->end() || *status != "finish-migrate") co_return Result<void>();
    timer.expires_after(kSettleInterval);
    asio::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  co_return failure("QEMU does not finish");
}

asio::awaitable<Result<void>> Migration::load(std::shared_ptr<Migration> self, std::vector<std::byte> bytes,
                                              Ready ready, std::chrono::milliseconds timeout) {
  const auto state = parse_saved_state(bytes);
  if (!state) co_return state.error();
  auto file = make_file();
  if (!file) co_return file.error();
  const auto written = pwrite_all(file->get(), state->stream, 0);
  if (!written) co_return written.error().within("pass the machine's state");
  const auto prepared = co_await prepare(self);
  if (!prepared) co_return prepared.error();
  if (self->qmp_->qemu_version() != state->qemu_version) {
    co_return failure("the machine was saved by QEMU " + make_printable(state->qemu_version, 100) +
                      ", and this is QEMU " + self->qmp_->qemu_version());
  }
  const json name{{"fdname", kFile}};
  const auto passed =
      co_await QmpClient::execute(self->qmp_, "getfd", name, QmpClient::kTimeout, *std::move(file));
  if (!passed) co_return passed.error();
  if (ready) {
    const auto filled = co_await ready();
    if (!filled) co_return filled.error();
  }
  self->status_.clear();
  const json where{{"uri", std::string("fd:") + kFile}};
  const auto begun = co_await QmpClient::execute(self->qmp_, "migrate-incoming", where);
  if (!begun) co_return begun.error();
  const auto loaded = co_await await_end(self, timeout);
  co_return loaded;
}

asio::awaitable<Result<void>> Migration::await_end(std::shared_ptr<Migration> self,
                                                   std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  asio::steady_timer timer(self->executor_, deadline);
  timer.async_wait([self](const asio::error_code& ec) {
    if (!ec) self->changed_.notify_all();
  });
  for (;;) {
    if (self->status_ == "completed") co_return Result<void>();
    if (self->status_ == "failed") {
      const Error why = co_await why_failed(self);
      co_return why;
    }
    if (self->status_ == "cancelled") co_return failure("QEMU gave up");
    if (self->ended_) co_return failure("QEMU's control connection: closed");
    if (std::chrono::steady_clock::now() >= deadline) co_return failure("QEMU does not finish");
    co_await self->changed_.wait();
  }
}

asio::awaitable<Error> Migration::why_failed(std::shared_ptr<Migration> self) {
  const auto told = co_await QmpClient::execute(self->qmp_, "query-migrate", json::object(), kCancelTimeout);
  if (told && told->is_object() && told->contains("error-desc") && told->at("error-desc").is_string()) {
    co_return failure("QEMU: " + make_printable(told->at("error-desc").get_ref<const std::string&>(), 400));
  }
  co_return failure("QEMU: the migration failed");
}

}  // namespace tl::machine
