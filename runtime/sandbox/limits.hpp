// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "common/result.hpp"
#include "runtime/registry/record.hpp"

// What a value may be, for every caller alike. All errors are kOutOfRange; they name the value, what is
// allowed and, in the hint, a value that would do. Any thread.
namespace tl {

inline constexpr double kMaxCpus = 64;
inline constexpr std::uint32_t kMinMemoryMbPerCore = 1024;
inline constexpr std::uint32_t kMaxMemoryMbPerCore = 8192;
inline constexpr std::uint32_t kMinDiskMb = 10240;
inline constexpr std::uint32_t kMaxDiskMb = 102400;
inline constexpr std::uint64_t kMaxTimeoutSecs =
    2'147'483'647;  // 68 years: no sum of it with a clock overflows

// Starts with a lowercase letter, only [a-z0-9-], no final hyphen, at most 63, not the shape of an ID.
Result<void> check_name(std::string_view name);

// 0 < cpus ≤ 64.
Result<void> check_cpus(double cpus);
// Cores of a valid number of CPUs: fractions round up.
unsigned cores(double cpus);

// For a valid number of CPUs: 1024–8192 MB for each core, 1024 for each when nothing is asked for.
std::uint32_t default_memory_mb(double cpus);
Result<void> check_memory_mb(std::uint64_t memory_mb, double cpus);

Result<void> check_disk_mb(std::uint64_t disk_mb);

// 0 is none. `what` is the value's name in the message, such as "timeout".
Result<void> check_timeout_secs(std::string_view what, std::uint64_t seconds);

// 1–65535.
Result<std::uint16_t> check_port(std::int64_t port);
inline constexpr std::size_t kMaxExposedPorts = 64;
// Adds to a record's exposed ports those that are not among them; at most so many, each 1–65535.
Result<void> expose_ports(registry::SandboxRecord& record, const std::vector<std::uint32_t>& ports);

// "KEY=VALUE" apart at the first "="; the value may be empty and hold anything but NUL.
Result<std::pair<std::string, std::string>> parse_env(std::string_view text);

// Of --network-allow and --network-deny: an IPv4 or IPv6 address, a CIDR block or a host name.
Result<void> check_network_target(std::string_view text);
inline constexpr std::size_t kMaxNetworkTargets = 256;
// At most so many targets to allow and as many to deny; none where there is no Internet at all.
Result<void> check_network_policy(const registry::NetworkPolicy& policy);

// Of a detached process: a letter, then letters, digits, '.', '_' and '-', at most 63 in all.
Result<void> check_process_name(std::string_view name);
// 1 ms to a day.
Result<void> check_backoff_ms(std::string_view what, std::uint64_t milliseconds);

// Arguments that are recorded: valid UTF-8 without NUL. `what` is the value's name in the message.
Result<void> check_text(std::string_view what, std::string_view text);

}  // namespace tl
