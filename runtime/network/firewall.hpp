// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "runtime/network/address.hpp"
#include "runtime/network/followed_names.hpp"
#include "runtime/network/packet.hpp"
#include "runtime/network/rules.hpp"

namespace tl::network {

// Decides on every frame between a guest and the world, by its address: what may leave the guest, and what
// may come back. Rules may change at any time and hold from the next frame on, for connections that exist as
// for new ones. Whatever they say, a guest reaches neither the host's loopback nor link-local, multicast or
// reserved addresses, speaks for its own address only, and of its own network it reaches the resolver alone.
//
// Host names are known by the resolver's answers to the guest (FollowedNames): an allowed one has the
// addresses that were answered for it; of a denied one the answer is refused as well, also as another name's
// alias. While names are denied the guest may ask no other resolver (ports 53 and 853), and ours by UDP only:
// what is not seen cannot be followed.
//
// One thread; `now` never goes back.
class Firewall {
 public:
  struct Verdict {
    enum class What { kPass, kDrop, kInstead } what = What::kDrop;
    std::vector<std::byte> instead = {};  // for the guest, in the frame's place
  };

  // Nothing passes that needs a rule until rules are set.
  Firewall();

  // kOutOfRange names a target that is none; then the rules are as before.
  Result<void> set_rules(const Rules& rules);

  Verdict from_guest(Frame frame, Now now);
  Verdict to_guest(Frame frame, Now now);

 private:
  struct Targets {
    std::vector<Prefix> prefixes;
    FollowedNames names;
    [[nodiscard]] bool empty() const { return prefixes.empty() && names.empty(); }
    bool match(const Address& address, Now now);
  };

  bool may_reach(const Address& address, Now now);
  bool may_ask(const Packet& packet, Now now);
  [[nodiscard]] bool is_asking(const Packet& packet) const;
  Verdict take_answer(Frame frame, const Packet& packet, Now now);

  const Address resolver_;
  const Address guest4_;
  const Address guest6_;
  const Prefix network4_;
  const Prefix network6_;
  const std::vector<Prefix> closed_;
  bool no_internet_ = true;
  Targets allow_;
  Targets deny_;
};

}  // namespace tl::network
