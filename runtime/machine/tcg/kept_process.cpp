// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/kept_process.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "common/guest_memory_file.hpp"
#include "common/io.hpp"
#include "runtime/machine/process_image/process_image.hpp"
#include "runtime/machine/tcg/qemu_child.hpp"
#include "runtime/machine/tcg/qemu_filter.hpp"
#include "runtime/machine/tcg/qmp_client.hpp"

namespace tl::machine {
namespace {

constexpr std::chrono::seconds kAnswerLimit(10);  // for what takes milliseconds on an idle host
constexpr int kMoreTries = 50;
constexpr std::chrono::milliseconds kPause(20);
constexpr unsigned kMode = 0700;  // a program, and nobody else's

Result<void> write_image(pid_t qemu, const QemuDescriptors& has, const std::filesystem::path& path) {
  ProcessImageSpec image;
  image.inherited = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, has.qmp, has.console, has.memory};
  for (const int number : {has.disk, has.agent, has.network}) {
    if (number >= 0) image.inherited.push_back(number);
  }
  image.dropped = {QemuDescriptors().initramfs};
  auto filter = qemu_filter();
  if (!filter) return filter.error();
  image.filter = *std::move(filter);
  const auto file = open_at(AT_FDCWD, path.string(), O_RDWR | O_CREAT | O_EXCL, kMode);
  if (!file) return file.error();
  auto written = write_process_image(qemu, image, file->get());
  if (!written) ::unlink(path.c_str());
  return written;
}

// With an empty memory, and connected to nobody: its processors stand still.
asio::awaitable<Result<void>> try_out(asio::any_io_executor executor, QemuDescriptors has,
                                      std::uint32_t memory_mib, std::filesystem::path path) {
  MachineSpec spec;
  spec.memory_mib = memory_mib;
  spec.process_image = std::move(path);
  const auto memory = make_guest_memory_file(std::uint64_t{memory_mib} << 20);
  if (!memory) co_return memory.error();
  const auto disk = stream_socket_pair();
  if (!disk) co_return disk.error();
  const auto agent = stream_socket_pair();
  if (!agent) co_return agent.error();
  const auto network = packet_socket_pair();
  if (!network) co_return network.error();
  const QemuInheritance inheritance{memory->get(), has.disk >= 0 ? disk->second.get() : -1,
                                    has.agent >= 0 ? agent->second.get() : -1,
                                    has.network >= 0 ? network->second.get() : -1};
  auto child = start_qemu("", spec, inheritance, std::nullopt);
  if (!child) co_return child.error();
  const auto ignore = [](const std::string&, const nlohmann::json&) {};
  auto client = QmpClient::create(executor, std::move(child->control), ignore, "");
  if (!client) co_return client.error();
  const auto run = [](std::shared_ptr<QmpClient> qmp) -> asio::awaitable<void> {
    [[maybe_unused]] const auto ended = co_await QmpClient::run(qmp);
  };
  asio::co_spawn(executor, run(*client), asio::detached);
  const auto answer =
      co_await QmpClient::execute(*client, "query-status", nlohmann::json::object(), kAnswerLimit);
  (*client)->close();
  if (!answer) co_return answer.error();
  co_return Result<void>();
}

}  // namespace

asio::awaitable<Result<void>> keep_qemu(asio::any_io_executor executor, pid_t qemu, QemuDescriptors inherited,
                                        std::uint32_t memory_mib, std::filesystem::path file) {
  Result<void> written = write_image(qemu, inherited, file);
  // A timer of its own, or a thread that it does not need any more: a moment later it waits again.
  asio::steady_timer pause(executor);
  for (int i = 0; i < kMoreTries && !written && written.error().code == ErrorCode::kConflict; ++i) {
    pause.expires_after(kPause);
    asio::error_code ignored;
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    written = write_image(qemu, inherited, file);
  }
  if (!written) co_return written.error().within("keep QEMU");
  const auto answers = co_await try_out(executor, inherited, memory_mib, file);
  if (!answers) {
    ::unlink(file.c_str());
    co_return answers.error().within("try out the kept QEMU");
  }
  co_return answers;
}

}  // namespace tl::machine
