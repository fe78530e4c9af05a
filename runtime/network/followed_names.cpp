// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/followed_names.hpp"

#include <algorithm>

namespace tl::network {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kLeastLife = 1min;
constexpr std::chrono::seconds kMostLife = 24h;
constexpr std::chrono::seconds kLifeAfterUse = 5min;

}  // namespace

void FollowedNames::follow(std::set<std::string> names) {
  names_ = std::move(names);
  std::erase_if(expiries_, [this](const auto& entry) { return !has(entry.first.second); });
}

void FollowedNames::learn(const std::string& name, const dns::Answer& answer, Now now) {
  for (const auto& [address, time_to_live] : answer.addresses) {
    const Now expiry = now + std::clamp(time_to_live, kLeastLife, kMostLife);
    const std::pair key(address, name);
    if (!expiries_.contains(key)) make_room();
    Now& known = expiries_[key];
    known = std::max(known, expiry);
  }
}

bool FollowedNames::contains(const Address& address, Now now) {
  bool found = false;
  for (auto entry = expiries_.lower_bound({address, ""});
       entry != expiries_.end() && entry->first.first == address;) {
    if (entry->second < now) {
      entry = expiries_.erase(entry);
      continue;
    }
    entry->second = std::max(entry->second, now + kLifeAfterUse);
    found = true;
    ++entry;
  }
  return found;
}

void FollowedNames::make_room() {
  if (expiries_.size() < kMost) return;
  expiries_.erase(std::min_element(expiries_.begin(), expiries_.end(),
                                   [](const auto& a, const auto& b) { return a.second < b.second; }));
}

}  // namespace tl::network
