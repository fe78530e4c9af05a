// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/network/address.hpp"
#include "runtime/network/dns.hpp"

namespace tl::network {

using Now = std::chrono::steady_clock::time_point;

// The addresses that certain host names have had lately, as the resolver's answers told. An address stays for
// its time to live, at least a minute and at most a day, and for five minutes behind its last use, so that no
// connection breaks because nobody asked again. At most kMost; the one that would go first makes room.
class FollowedNames {
 public:
  static constexpr std::size_t kMost = 4096;

  // Forgets what others are no longer followed for.
  void follow(std::set<std::string> names);

  [[nodiscard]] bool empty() const { return names_.empty(); }
  [[nodiscard]] bool has(const std::string& name) const { return names_.contains(name); }
  [[nodiscard]] std::size_t size() const { return expiries_.size(); }
  void learn(const std::string& name, const dns::Answer& answer, Now now);
  // Counts as use.
  bool contains(const Address& address, Now now);

 private:
  void make_room();

  std::set<std::string> names_;
  std::map<std::pair<Address, std::string>, Now> expiries_;
};

}  // namespace tl::network
