// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/limits.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "runtime/guest/protocol/detachment.hpp"
#include "runtime/network/address.hpp"
#include "runtime/registry/identifier.hpp"

namespace tl {
namespace {

Error out_of_range(std::string message, std::string cure) {
  return Error{ErrorCode::kOutOfRange, std::move(message), std::move(cure)};
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_letter(char c) {
  return is_lower(c) || (c >= 'A' && c <= 'Z');
}

// What is wrong with a name, most telling first; "" for a valid one.
std::string_view flaw_of_name(std::string_view name) {
  if (name.empty()) return "it is empty";
  if (!is_lower(name.front())) return "it must start with a lowercase letter";
  const bool plain =
      std::all_of(name.begin(), name.end(), [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
  if (!plain) return "only a-z, 0-9 and - may stand in it";
  if (name.back() == '-') return "it must not end with a hyphen";
  if (name.size() > registry::kMaxNameLength) return "it is longer than 63 characters";
  if (registry::is_sandbox_id(name)) return "21 letters and digits are the form of an ID";
  return "";
}

// The name made valid, as far as dropping and lowering characters goes; "" when nothing is left.
std::string mended_name(std::string_view name) {
  std::string mended;
  for (const char c : name) {
    const char lower = is_letter(c) && !is_lower(c) ? static_cast<char>(c - 'A' + 'a') : c;
    if (is_lower(lower) || (!mended.empty() && is_digit(lower))) {
      mended += lower;
    } else if (!mended.empty() && mended.back() != '-') {
      mended += '-';
    }
  }
  mended.resize(std::min(mended.size(), registry::kMaxNameLength));
  if (registry::is_sandbox_id(mended)) mended.insert(1, 1, '-');
  while (!mended.empty() && mended.back() == '-') mended.pop_back();
  return mended;
}

std::uint32_t max_memory_mb(double cpus) {
  return kMaxMemoryMbPerCore * cores(cpus);
}

bool is_host_label(std::string_view label) {
  const auto fits = [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; };
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(), fits);
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  for (;;) {
    const auto dot = text.find('.');
    const auto label = text.substr(0, dot);
    if (!is_host_label(label)) return false;
    if (dot == std::string_view::npos) {
      // A last label of digits alone is a mistyped address.
      return !std::all_of(label.begin(), label.end(), is_digit);
    }
    text.remove_prefix(dot + 1);
  }
}

// The length of the sequence that starts a text, 0 when it is not UTF-8 (RFC 3629).
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xe0 && at(1) < 0xa0) || (first == 0xf0 && at(1) < 0x90);
  const bool surrogate = first == 0xed && at(1) > 0x9f;
  const bool beyond = first == 0xf4 && at(1) > 0x8f;
  return overlong || surrogate || beyond ? 0 : length;
}

// For quoting what may be anything.
std::string printable(std::string_view text) {
  constexpr std::size_t kShown = 80;
  std::string shown;
  for (const char c : text.substr(0, kShown)) shown += c >= ' ' && c <= '~' ? c : '?';
  if (text.size() > kShown) shown += "…";
  return shown;
}

}  // namespace

Result<void> check_name(std::string_view name) {
  const auto flaw = flaw_of_name(name);
  if (flaw.empty()) return {};
  const std::string mended = mended_name(name);
  return out_of_range(fmt::format("name \"{}\": {}", printable(name), flaw),
                      mended.empty() ? "a name is like web-1" : "for example " + mended);
}

Result<void> check_cpus(double cpus) {
  if (std::isfinite(cpus) && cpus > 0 && cpus <= kMaxCpus) return {};
  return out_of_range(fmt::format("cpus {}: must be more than 0 and at most {}", cpus, kMaxCpus),
                      cpus > kMaxCpus ? fmt::format("--cpus {}", kMaxCpus) : "--cpus 1");
}

unsigned cores(double cpus) {
  return static_cast<unsigned>(std::ceil(cpus));
}

std::uint32_t default_memory_mb(double cpus) {
  return kMinMemoryMbPerCore * cores(cpus);
}

Result<void> check_memory_mb(std::uint64_t memory_mb, double cpus) {
  const std::uint32_t least = default_memory_mb(cpus);
  const std::uint32_t most = max_memory_mb(cpus);
  if (memory_mb >= least && memory_mb <= most) return {};
  return out_of_range(
      fmt::format("memory {} MB: must be {}–{} MB for {} CPU core{} ({}–{} for each)", memory_mb, least, most,
                  cores(cpus), cores(cpus) == 1 ? "" : "s", kMinMemoryMbPerCore, kMaxMemoryMbPerCore),
      fmt::format("--memory {}", memory_mb < least ? least : most));
}

Result<void> check_disk_mb(std::uint64_t disk_mb) {
  if (disk_mb >= kMinDiskMb && disk_mb <= kMaxDiskMb) return {};
  return out_of_range(fmt::format("disk {} MiB: must be {}–{} MiB", disk_mb, kMinDiskMb, kMaxDiskMb),
                      fmt::format("--disk_mb {}", disk_mb < kMinDiskMb ? kMinDiskMb : kMaxDiskMb));
}

Result<void> check_timeout_secs(std::string_view what, std::uint64_t seconds) {
  if (seconds <= kMaxTimeoutSecs) return {};
  return out_of_range(fmt::format("{} {}: must be 0–{} seconds", what, seconds, kMaxTimeoutSecs),
                      "0 means none");
}

Result<std::uint16_t> check_port(std::int64_t port) {
  if (port >= 1 && port <= 65535) return static_cast<std::uint16_t>(port);
  return out_of_range(fmt::format("port {}: must be 1–65535", port), "for example 8080");
}

Result<void> expose_ports(registry::SandboxRecord& record, const std::vector<std::uint32_t>& ports) {
  auto& exposed = record.exposed_ports;
  for (const std::uint32_t number : ports) {
    const auto port = check_port(number);
    if (!port) return port.error();
    if (std::find(exposed.begin(), exposed.end(), *port) == exposed.end()) exposed.push_back(*port);
  }
  if (exposed.size() <= kMaxExposedPorts) return {};
  return Error{ErrorCode::kOutOfRange, fmt::format("more than {} exposed ports", kMaxExposedPorts), ""};
}

Result<std::pair<std::string, std::string>> parse_env(std::string_view text) {
  const auto equals = text.find('=');
  const bool apart = equals != std::string_view::npos && equals > 0;
  if (!apart || text.find('\0') != std::string_view::npos) {
    return out_of_range(fmt::format("environment \"{}\": must be KEY=VALUE", printable(text)),
                        "for example --env LANG=C.UTF-8");
  }
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

Result<void> check_network_target(std::string_view text) {
  if (network::Prefix::parse(text) || is_host_name(text)) return {};
  return out_of_range(
      fmt::format("network target \"{}\": must be an IPv4 or IPv6 address, a CIDR block or a host name",
                  printable(text)),
      "for example 192.0.2.1, 192.0.2.0/24, 2001:db8::/32 or example.com");
}

Result<void> check_network_policy(const registry::NetworkPolicy& policy) {
  if (policy.no_internet && !(policy.allow.empty() && policy.deny.empty()))
    return out_of_range("--no-internet blocks everything, so nothing can be allowed or denied beside it",
                        "leave it out, or --network-allow and --network-deny");
  for (const auto* targets : {&policy.allow, &policy.deny}) {
    if (targets->size() > kMaxNetworkTargets)
      return out_of_range(fmt::format("{} network targets: at most {} can be {}", targets->size(),
                                      kMaxNetworkTargets, targets == &policy.allow ? "allowed" : "denied"),
                          "a CIDR block takes many addresses together");
    for (const auto& target : *targets) {
      if (auto valid = check_network_target(target); !valid) return valid;
    }
  }
  return {};
}

Result<void> check_process_name(std::string_view name) {
  if (guest::is_process_name(name)) return {};
  return out_of_range(
      fmt::format("process name \"{}\": must start with a letter and have letters, digits, '.', "
                  "'_' and '-' only, at most {} in all",
                  printable(name), guest::kMaxProcessName),
      "for example web-1");
}

Result<void> check_backoff_ms(std::string_view what, std::uint64_t milliseconds) {
  const auto most = static_cast<std::uint64_t>(guest::kMaxBackoff.count());
  if (milliseconds >= 1 && milliseconds <= most) return {};
  return out_of_range(fmt::format("{} of {} ms: must be 1 to {}", what, milliseconds, most),
                      "for example 1000");
}

Result<void> check_text(std::string_view what, std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t length = rest.front() == '\0' ? 0 : utf8_length(rest);
    if (length == 0) {
      return out_of_range(fmt::format("{} \"{}\": must be UTF-8 text", what, printable(text)), "");
    }
    rest.remove_prefix(length);
  }
  return {};
}

}  // namespace tl
