// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/launch.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "common/io.hpp"
#include "runtime/guest/protocol/frame.hpp"
#include "runtime/monitor/control.hpp"
#include "runtime/registry/document.hpp"

namespace tl::monitor {
namespace {

constexpr std::size_t kMaxReport = 64 * 1024;
constexpr std::size_t kMaxDetails = 64 * 1024;  // of a template

Error given_up() {
  return Error{ErrorCode::kFailure, "given up before the sandbox was ready", ""};
}

Error died() {
  return Error{ErrorCode::kFailure, "the monitor ended before the sandbox was ready", ""};
}

// What stands before the four parts of the orders.
struct OrdersHead {
  std::uint32_t record_bytes;
  std::uint32_t entrypoint_bytes;
  std::uint32_t warm_up_bytes;
  std::uint32_t details_bytes;
};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<std::string> orders_of(const LaunchSpec& spec) {
  const auto record = registry::format_document(spec.record);
  if (!record) return record.error();
  // Nothing depends on them.
  const std::string_view details =
      spec.template_details.size() <= kMaxDetails ? spec.template_details : std::string_view();
  const OrdersHead head{
      static_cast<std::uint32_t>(record->size()), static_cast<std::uint32_t>(spec.entrypoint.size()),
      static_cast<std::uint32_t>(spec.warm_up.size()), static_cast<std::uint32_t>(details.size())};
  std::string message(reinterpret_cast<const char*>(&head), sizeof head);
  message += *record;
  message += text_of(spec.entrypoint);
  message += text_of(spec.warm_up);
  message += details;
  return message;
}

constexpr std::array kOrigins{std::pair{Origin::kBoot, std::string_view("boot")},
                              std::pair{Origin::kResume, std::string_view("resume")},
                              std::pair{Origin::kCopy, std::string_view("copy")},
                              std::pair{Origin::kTemplate, std::string_view("template")}};

}  // namespace

std::string_view origin_word(Origin origin) {
  for (const auto& [value, word] : kOrigins) {
    if (value == origin) return word;
  }
  return "";
}

std::optional<Origin> origin_of(std::string_view word) {
  for (const auto& [value, its] : kOrigins) {
    if (its == word) return value;
  }
  return std::nullopt;
}

Result<LaunchOrders> receive_orders(int launch_fd, const std::string& id) {
  OrdersHead head{};
  if (auto read = read_exact(launch_fd, std::as_writable_bytes(std::span(&head, 1))); !read)
    return read.error();
  const bool too_long = head.record_bytes > registry::kMaxDocumentBytes ||
                        head.entrypoint_bytes > guest::kMaxStartPayload ||
                        head.warm_up_bytes > guest::kMaxStartPayload || head.details_bytes > kMaxDetails;
  if (too_long) return Error{ErrorCode::kFailure, "the orders are too long", ""};
  std::string text(
      std::size_t{head.record_bytes} + head.entrypoint_bytes + head.warm_up_bytes + head.details_bytes, '\0');
  if (auto read = read_exact(launch_fd, std::as_writable_bytes(std::span(text))); !read) return read.error();
  const std::string_view all = text;
  auto parsed = registry::parse_document(id, all.substr(0, head.record_bytes));
  auto* const record = std::get_if<registry::SandboxRecord>(&parsed);
  if (record == nullptr) return Error{ErrorCode::kFailure, "the record is not readable", ""};
  const auto requests = std::as_bytes(std::span(all.substr(head.record_bytes)));
  const auto entrypoint = requests.first(head.entrypoint_bytes);
  const auto warm_up = requests.subspan(head.entrypoint_bytes, head.warm_up_bytes);
  return LaunchOrders{std::move(*record),
                      {entrypoint.begin(), entrypoint.end()},
                      {warm_up.begin(), warm_up.end()},
                      text.substr(text.size() - head.details_bytes)};
}

Result<Launch> Launch::start(LaunchSpec spec) {
  auto orders = orders_of(spec);
  if (!orders) return orders.error();
  auto link = stream_socket_pair();
  if (!link) return link.error();
  ChildSpec child;
  child.argv = {"/proc/self/exe", "--monitor",
                "--home",         spec.home,
                "--sandbox",      spec.record.sandbox_id,
                "--kernel",       spec.kernel,
                "--image",        spec.image,
                "--cpu",          spec.cpu,
                "--accelerator",  spec.record.accelerator,
                "--origin",       std::string(origin_word(spec.origin))};
  if (!spec.template_key.empty()) child.argv.insert(child.argv.end(), {"--template", spec.template_key});
  if (spec.debug) child.argv.emplace_back("--debug");
  if (spec.lifetime == Lifetime::kCreators) child.argv.emplace_back("--with-creator");
  child.working_dir = "/";
  child.fds = {{STDOUT_FILENO, spec.log.get()},
               {STDERR_FILENO, spec.log.get()},
               {kLifeLockFd, spec.life_lock.get()},
               {kLaunchFd, link->second.get()},
               {kListenerFd, spec.listener.get()}};
  child.group = ChildSpec::Group::kOwnSession;
  child.signals = ChildSpec::Signals::kAsOurs;
  auto process = ChildProcess::spawn(child);
  if (!process) return process.error().within("start the monitor");
  process->detach();
  return Launch(std::move(link->first), *std::move(orders));
}

Result<void> Launch::go() {
  if (!write_all(link_.get(), std::exchange(orders_, {}))) return died();
  return {};
}

Result<void> Launch::wait_ready(int signals) {
  std::string line;
  while (line.empty() || line.back() != '\n') {
    std::array<pollfd, 2> look{{{link_.get(), POLLIN, 0}, {signals, POLLIN, 0}}};
    if (::poll(look.data(), look.size(), -1) < 0 && errno != EINTR) return errno_error("poll");
    if ((look[1].revents & POLLIN) != 0) return given_up();
    if (look[0].revents == 0) continue;
    std::array<char, 4096> piece;
    const ssize_t n = ::read(link_.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || line.size() > kMaxReport) return died();
    line.append(piece.data(), static_cast<std::size_t>(n));
  }
  const auto report = report_from_json(line);
  if (!report) return report.error();
  if (report->error) return *report->error;
  return {};
}

Result<void> Launch::accept() {
  return write_all(link_.get(), std::string_view(&kLaunchAccepted, 1));
}

void Launch::give_up() {
  ::shutdown(link_.get(), SHUT_WR);
  std::array<char, 4096> rest;
  for (;;) {
    const ssize_t n = ::read(link_.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
  }
}

}  // namespace tl::monitor
