// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/control.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tl::monitor {
namespace {

using nlohmann::json;

Result<sockaddr_un> address_in(int work_dir_fd) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", work_dir_fd, kControlSocket);
  TL_CHECK(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Result<UniqueFd> unix_socket() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("socket");
  return fd;
}

bool is_port(const json& number) {
  return number.is_number_unsigned() && number.get<std::uint64_t>() - 1 < 65535;
}

Error malformed(const char* what) {
  return Error{ErrorCode::kFailure, fmt::format("the monitor's {} is malformed", what), ""};
}

}  // namespace

std::string to_json(const LiveStatus& status) {
  json document = {{"memory_used_bytes", status.memory_used_bytes},
                   {"disk_used_bytes", status.disk_used_bytes},
                   {"layers", status.layers}};
  if (status.timeout_left_secs) document["timeout_left_secs"] = *status.timeout_left_secs;
  if (status.idle_timeout_left_secs) document["idle_timeout_left_secs"] = *status.idle_timeout_left_secs;
  if (!status.ports.empty()) document["ports"] = status.ports;
  return document.dump();
}

Result<LiveStatus> status_from_json(std::string_view text) {
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return malformed("status");
  for (const char* field : {"memory_used_bytes", "disk_used_bytes", "layers"}) {
    if (!document.contains(field) || !document[field].is_number_unsigned()) return malformed("status");
  }
  LiveStatus status;
  status.memory_used_bytes = document["memory_used_bytes"].get<std::uint64_t>();
  status.disk_used_bytes = document["disk_used_bytes"].get<std::uint64_t>();
  status.layers = document["layers"].get<unsigned>();
  const auto left = document.find("timeout_left_secs");
  if (left != document.end() && left->is_number_unsigned())
    status.timeout_left_secs = left->get<std::uint64_t>();
  const auto idle = document.find("idle_timeout_left_secs");
  if (idle != document.end() && idle->is_number_unsigned())
    status.idle_timeout_left_secs = idle->get<std::uint64_t>();
  for (const json& ports : document.value("ports", json::array())) {
    if (!ports.is_array() || ports.size() != 2 || !is_port(ports[0]) || !is_port(ports[1]))
      return malformed("status");
    status.ports.emplace_back(ports[0].get<std::uint16_t>(), ports[1].get<std::uint16_t>());
  }
  return status;
}

Result<UniqueFd> connect_control(int work_dir_fd) {
  auto fd = unix_socket();
  if (!fd) return fd;
  const auto address = address_in(work_dir_fd);
  while (::connect(fd->get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    if (errno != EINTR) return errno_error("connect to the sandbox's monitor");
  }
  return fd;
}

Result<UniqueFd> listen_control(int work_dir_fd) {
  auto fd = unix_socket();
  if (!fd) return fd;
  // Linux makes the socket's file with the mode that the descriptor has: never open to others, not for an
  // instant.
  if (::fchmod(fd->get(), 0600) != 0) return errno_error("restrict the control socket");
  const auto address = address_in(work_dir_fd);
  const auto bind = [&] {
    return ::bind(fd->get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0;
  };
  // A socket that is there is of a monitor before us; the life lock says that it is gone.
  if (!bind() && (errno != EADDRINUSE || ::unlinkat(work_dir_fd, kControlSocket, 0) != 0 || !bind())) {
    return errno_error("bind the control socket");
  }
  if (auto listening = adopt_control(fd->get()); !listening) return listening.error();
  return fd;
}

Result<void> adopt_control(int listener) {
  // Each listen() writes down whose socket it is.
  if (::listen(listener, kControlBacklog) != 0) return errno_error("listen on the control socket");
  return {};
}

std::string to_json(const LaunchReport& report) {
  json document = json::object();
  if (report.error) {
    document["error"] = {{"code", static_cast<int>(report.error->code)},
                         {"message", report.error->message},
                         {"hint", report.error->hint}};
  }
  return document.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<LaunchReport> report_from_json(std::string_view line) {
  const json document = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return malformed("report");
  LaunchReport report;
  if (!document.contains("error")) return report;
  const json& error = document["error"];
  if (!error.is_object()) return malformed("report");
  report.error = Error{static_cast<ErrorCode>(error.value("code", 1)),
                       error.value("message", "unknown failure"), error.value("hint", "")};
  return report;
}

}  // namespace tl::monitor
