// SPDX-License-Identifier: Apache-2.0
#include "cli/signal_names.hpp"

#include <strings.h>

#include <charconv>
#include <cstring>

#include <fmt/format.h>

namespace tl::cli {
namespace {

constexpr int kMaxSignal = 64;

std::optional<int> signal_of(const std::string& text) {
  int number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && stop == end && number >= 1 && number <= kMaxSignal) return number;
  for (int signal = 1; signal <= kMaxSignal; ++signal) {
    const char* name = ::sigabbrev_np(signal);
    if (name == nullptr) continue;
    if (::strcasecmp(text.c_str(), name) == 0) return signal;
    if (::strcasecmp(text.c_str(), fmt::format("SIG{}", name).c_str()) == 0) return signal;
  }
  return std::nullopt;
}

}  // namespace

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", name);
}

Setter store_signal(std::optional<int>& target) {
  return [&target](const std::string& value) -> Result<void> {
    target = signal_of(value);
    if (target) return {};
    return Error{ErrorCode::kOutOfRange, fmt::format("'{}' is not a signal", value),
                 "use a name such as HUP, or a number from 1 to 64"};
  };
}

}  // namespace tl::cli
