// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/firewall.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <utility>

#include "runtime/network/plan.hpp"
#include "runtime/network/reply.hpp"

namespace tl::network {
namespace {

using Verdict = Firewall::Verdict;
using What = Verdict::What;

std::vector<Prefix> closed_prefixes() {
  std::vector<Prefix> closed;
  for (const char* text : {kNetwork4, "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4",
                           "240.0.0.0/4", kNetwork6, "::/96", "fe80::/10", "ff00::/8"})
    closed.push_back(*Prefix::parse(text));
  return closed;
}

bool any_contains(const std::vector<Prefix>& prefixes, const Address& address) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const Prefix& prefix) { return prefix.contains(address); });
}

// A text that is neither is a mistyped address.
bool is_name(const std::string& text) {
  return text.find_first_of(":/") == std::string::npos && text.find_first_not_of("0123456789.") < text.size();
}

Result<void> sort(const std::vector<std::string>& targets, std::vector<Prefix>& prefixes,
                  std::set<std::string>& names) {
  for (const std::string& target : targets) {
    if (const auto prefix = Prefix::parse(target)) {
      prefixes.push_back(*prefix);
    } else if (is_name(target)) {
      names.insert(dns::normal_name(target));
    } else {
      return Error{ErrorCode::kOutOfRange, "network target \"" + target + "\" is none", ""};
    }
  }
  return {};
}

Verdict refuse(Frame frame, const Packet& packet) {
  auto reply = prohibition_of(frame, packet);
  if (!reply) return {What::kDrop};
  return {What::kInstead, *std::move(reply)};
}

}  // namespace

Firewall::Firewall()
    : resolver_(*Address::parse(kResolver4)),
      guest4_(*Address::parse(kGuest4)),
      guest6_(*Address::parse(kGuest6)),
      network4_(*Prefix::parse(kNetwork4)),
      network6_(*Prefix::parse(kNetwork6)),
      closed_(closed_prefixes()) {}

Result<void> Firewall::set_rules(const Rules& rules) {
  std::vector<Prefix> allowed;
  std::vector<Prefix> denied;
  std::set<std::string> allowed_names;
  std::set<std::string> denied_names;
  if (auto sorted = sort(rules.allow, allowed, allowed_names); !sorted) return sorted;
  if (auto sorted = sort(rules.deny, denied, denied_names); !sorted) return sorted;
  no_internet_ = rules.no_internet;
  allow_.prefixes = std::move(allowed);
  allow_.names.follow(std::move(allowed_names));
  deny_.prefixes = std::move(denied);
  deny_.names.follow(std::move(denied_names));
  return {};
}

bool Firewall::Targets::match(const Address& address, Now now) {
  return any_contains(prefixes, address) || names.contains(address, now);
}

bool Firewall::may_reach(const Address& address, Now now) {
  if (no_internet_ || any_contains(closed_, address) || deny_.match(address, now)) return false;
  return allow_.empty() || allow_.match(address, now);
}

bool Firewall::may_ask(const Packet& packet, Now now) {
  if (no_internet_ || !packet.has_head || packet.destination_port != dns::kPort) return false;
  if (deny_.match(resolver_, now)) return false;
  if (packet.protocol == IPPROTO_TCP) return deny_.names.empty();
  return packet.protocol == IPPROTO_UDP;
}

bool Firewall::is_asking(const Packet& packet) const {
  return packet.has_head &&
         (packet.destination_port == dns::kPort || packet.destination_port == dns::kTlsPort);
}

Verdict Firewall::from_guest(Frame frame, Now now) {
  const auto packet = parse_packet(frame);
  if (!packet) return {What::kDrop};
  if (packet->kind == Packet::Kind::kArp) return {What::kPass};
  if (packet->kind == Packet::Kind::kNeighbour) {
    const bool is_near =
        network6_.contains(packet->destination) || Prefix::parse("ff02::/16")->contains(packet->destination);
    return {is_near ? What::kPass : What::kDrop};
  }
  if (packet->source != guest4_ && packet->source != guest6_) return {What::kDrop};
  if (packet->destination == resolver_)
    return may_ask(*packet, now) ? Verdict{What::kPass} : refuse(frame, *packet);
  if (!may_reach(packet->destination, now)) return refuse(frame, *packet);
  if (!deny_.names.empty() && is_asking(*packet)) return refuse(frame, *packet);
  return {What::kPass};
}

Verdict Firewall::take_answer(Frame frame, const Packet& packet, Now now) {
  const auto answer = dns::answer_of(packet.payload);
  if (!answer) return {deny_.names.empty() ? What::kPass : What::kDrop};
  // Only who was asked for: an alias is what the owner of another name says.
  const std::string& asked = answer->names.front();
  if (allow_.names.has(asked)) allow_.names.learn(asked, *answer, now);
  bool denied = false;
  for (const std::string& name : answer->names) {
    if (!deny_.names.has(name)) continue;
    deny_.names.learn(name, *answer, now);
    denied = true;
  }
  if (!denied) return {What::kPass};
  return {What::kInstead, with_payload(frame, packet, dns::refusal_of(packet.payload))};
}

Verdict Firewall::to_guest(Frame frame, Now now) {
  const auto packet = parse_packet(frame);
  if (!packet) return {What::kDrop};
  if (packet->kind != Packet::Kind::kIp) return {What::kPass};
  if (network4_.contains(packet->source) || network6_.contains(packet->source)) {
    if (no_internet_) return {What::kDrop};
    const bool is_answer = packet->source == resolver_ && packet->protocol == IPPROTO_UDP && packet->has_head;
    return is_answer ? take_answer(frame, *packet, now) : Verdict{What::kPass};
  }
  return {may_reach(packet->source, now) ? What::kPass : What::kDrop};
}

}  // namespace tl::network
