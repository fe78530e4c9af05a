// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/launch.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
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

// What stands before the parts of the orders, and beside it the descriptors.
enum Part : std::size_t {
  kRecord,
  kKernel,
  kImage,
  kCpu,
  kTemplateKey,
  kTemplateDetails,
  kOriginWord,
  kEntrypoint,
  kWarmUp,
  kParts,
};
struct OrdersHead {
  std::uint32_t with_creator;
  std::array<std::uint32_t, kParts> bytes;
};
constexpr std::size_t kMaxPath = 4096;
constexpr std::size_t kMaxWord = 1024;
// Life lock, listener, log.
using Descriptors = std::array<int, 3>;

constexpr std::array<std::size_t, kParts> kMaxBytes{registry::kMaxDocumentBytes,
                                                    kMaxPath,
                                                    kMaxPath,
                                                    kMaxWord,
                                                    kMaxWord,
                                                    kMaxDetails,
                                                    kMaxWord,
                                                    guest::kMaxStartPayload,
                                                    guest::kMaxStartPayload};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// The first bytes of a message and descriptors beside them.
struct Envelope {
  explicit Envelope(std::span<std::byte> bytes) : data{bytes.data(), bytes.size()} {
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
  }
  iovec data;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(Descriptors))> control{};
  msghdr message{};
};

Result<void> send_head(int link, OrdersHead head, const Descriptors& descriptors) {
  Envelope envelope(std::as_writable_bytes(std::span(&head, 1)));
  cmsghdr* const rights = CMSG_FIRSTHDR(&envelope.message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof descriptors);
  std::memcpy(CMSG_DATA(rights), descriptors.data(), sizeof descriptors);
  ssize_t sent = -1;
  do {
    sent = ::sendmsg(link, &envelope.message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent != sizeof head) return errno_error("send the orders");
  return {};
}

Result<OrdersHead> receive_head(int link, std::array<UniqueFd, 3>& received) {
  OrdersHead head{};
  Envelope envelope(std::as_writable_bytes(std::span(&head, 1)));
  ssize_t got = -1;
  do {
    got = ::recvmsg(link, &envelope.message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return Error{ErrorCode::kNotFound, "the creator has left", ""};
  const cmsghdr* const rights = CMSG_FIRSTHDR(&envelope.message);
  if (got != sizeof head || rights == nullptr || rights->cmsg_type != SCM_RIGHTS ||
      rights->cmsg_len != CMSG_LEN(sizeof(Descriptors)))
    return Error{ErrorCode::kFailure, "the orders are not readable", ""};
  Descriptors descriptors{};
  std::memcpy(descriptors.data(), CMSG_DATA(rights), sizeof descriptors);
  for (std::size_t i = 0; i < descriptors.size(); ++i) received[i].reset(descriptors[i]);
  return head;
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

Result<LaunchSpec> receive_orders(int launch_fd, const std::string& id) {
  std::array<UniqueFd, 3> descriptors;
  const auto head = receive_head(launch_fd, descriptors);
  if (!head) return head.error();
  std::array<std::string, kParts> parts;
  for (std::size_t i = 0; i < kParts; ++i) {
    if (head->bytes[i] > kMaxBytes[i]) return Error{ErrorCode::kFailure, "the orders are too long", ""};
    parts[i].resize(head->bytes[i]);
    if (auto read = read_exact(launch_fd, std::as_writable_bytes(std::span(parts[i]))); !read)
      return read.error();
  }
  auto parsed = registry::parse_document(id, parts[kRecord]);
  auto* const record = std::get_if<registry::SandboxRecord>(&parsed);
  const auto origin = origin_of(parts[kOriginWord]);
  if (record == nullptr || !origin) return Error{ErrorCode::kFailure, "the orders are not readable", ""};
  LaunchSpec spec;
  spec.record = std::move(*record);
  spec.kernel = std::move(parts[kKernel]);
  spec.image = std::move(parts[kImage]);
  spec.cpu = std::move(parts[kCpu]);
  spec.template_key = std::move(parts[kTemplateKey]);
  spec.template_details = std::move(parts[kTemplateDetails]);
  spec.origin = *origin;
  spec.entrypoint = bytes_of(parts[kEntrypoint]);
  spec.warm_up = bytes_of(parts[kWarmUp]);
  spec.life_lock = std::move(descriptors[0]);
  spec.listener = std::move(descriptors[1]);
  spec.log = std::move(descriptors[2]);
  spec.lifetime = head->with_creator != 0 ? Lifetime::kCreators : Lifetime::kOwn;
  return spec;
}

Result<Launch> Launch::begin(const LaunchBegin& begin) {
  auto link = stream_socket_pair();
  if (!link) return link.error();
  const UniqueFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (!nowhere) return errno_error("/dev/null");
  ChildSpec child;
  child.argv = {"/proc/self/exe", "--monitor",      "--home",        begin.home,
                "--sandbox",      begin.sandbox_id, "--accelerator", begin.accelerator};
  if (begin.debug) child.argv.emplace_back("--debug");
  child.working_dir = "/";
  child.fds = {
      {STDOUT_FILENO, nowhere.get()}, {STDERR_FILENO, nowhere.get()}, {kLaunchFd, link->second.get()}};
  child.group = ChildSpec::Group::kOwnSession;
  child.signals = ChildSpec::Signals::kAsOurs;
  auto process = ChildProcess::spawn(child);
  if (!process) return process.error().within("start the monitor");
  process->detach();
  return Launch(std::move(link->first));
}

Result<void> Launch::go(LaunchSpec spec) {
  const auto record = registry::format_document(spec.record);
  if (!record) return record.error();
  // Nothing depends on them.
  if (spec.template_details.size() > kMaxDetails) spec.template_details.clear();
  const std::array<std::string_view, kParts> parts{*record,
                                                   spec.kernel,
                                                   spec.image,
                                                   spec.cpu,
                                                   spec.template_key,
                                                   spec.template_details,
                                                   origin_word(spec.origin),
                                                   text_of(spec.entrypoint),
                                                   text_of(spec.warm_up)};
  OrdersHead head{spec.lifetime == Lifetime::kCreators ? 1U : 0U, {}};
  std::string rest;
  for (std::size_t i = 0; i < kParts; ++i) {
    head.bytes[i] = static_cast<std::uint32_t>(parts[i].size());
    rest += parts[i];
  }
  const auto sent = send_head(link_.get(), head, {spec.life_lock.get(), spec.listener.get(), spec.log.get()});
  if (!sent || !write_all(link_.get(), rest)) return died();
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
