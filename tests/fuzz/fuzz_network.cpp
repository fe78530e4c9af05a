// SPDX-License-Identifier: Apache-2.0
// Frames of any contents, to and from a guest, and so any DNS messages: the firewall comes to an end, what it
// makes itself can be parsed, and an address that it lets through is not one of those that are closed.
#include "common/check.hpp"
#include "runtime/network/firewall.hpp"

using namespace tl;
using namespace tl::network;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name for it
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Firewall firewall;
  static Now now(std::chrono::hours(1));
  static const bool is_set =
      firewall.set_rules({false, {"0.0.0.0/0", "a.example"}, {"b.example", "10.0.0.0/8"}}).has_value();
  static const Prefix loopback = *Prefix::parse("127.0.0.0/8");
  TL_CHECK(is_set);
  now += std::chrono::milliseconds(1);
  if (size == 0) return 0;
  using What = Firewall::Verdict::What;
  const Frame frame = std::as_bytes(std::span(data + 1, size - 1));
  const bool leaves = (data[0] & 1) != 0;
  const auto verdict = leaves ? firewall.from_guest(frame, now) : firewall.to_guest(frame, now);
  if (verdict.what == What::kInstead) TL_CHECK(parse_packet(verdict.instead).has_value());
  if (verdict.what == What::kPass) {
    const auto packet = parse_packet(frame);
    TL_CHECK(packet.has_value());
    if (packet->kind == Packet::Kind::kIp)
      TL_CHECK(!loopback.contains(leaves ? packet->destination : packet->source));
  }
  return 0;
}
