// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/network/address.hpp"

// As much of DNS messages (RFC 1035) as it takes to know which addresses a name has. Messages are hostile:
// those of the guest, and those of whoever answers for a name. Names are in lower case and without a final
// dot; what no host name may have in it is "?".
namespace tl::network::dns {

inline constexpr std::uint16_t kPort = 53;
inline constexpr std::uint16_t kTlsPort = 853;

using Message = std::span<const std::byte>;

std::string normal_name(std::string_view name);

// The name that a query asks for; nullopt unless it is a query with one question.
std::optional<std::string> question_of(Message query);

struct Answer {
  // The name that was asked for, and the names that this one is an alias of, by way of the answer's own
  // CNAME records.
  std::vector<std::string> names;
  std::vector<std::pair<Address, std::chrono::seconds>> addresses;  // of these, with their times to live
};

// Records that have nothing to do with the question are ignored, so that nobody answers for another's name;
// so is everything from the first record on that is malformed. At most 256 records are looked at. nullopt
// unless it is an answer to one question.
std::optional<Answer> answer_of(Message response);

// The answer "refused" to a query of which question_of() is not nullopt.
std::vector<std::byte> refusal_of(Message query);

}  // namespace tl::network::dns
