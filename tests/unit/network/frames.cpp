// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/network/frames.hpp"

#include <netinet/in.h>

#include "runtime/network/address.hpp"
#include "runtime/network/wire.hpp"

namespace tl::network::test {
namespace {

Bytes number16(std::size_t value) {
  return bytes({static_cast<int>(value >> 8 & 0xff), static_cast<int>(value & 0xff)});
}

std::uint32_t sum(const Bytes& of) {
  std::uint32_t total = 0;
  for (std::size_t i = 0; i < of.size(); i += 2)
    total += i + 1 < of.size() ? load16(of, i) : std::uint32_t{load8(of, i)} << 8;
  return total;
}

void put_checksum(Bytes& into, std::size_t at, std::uint32_t total) {
  while (total >> 16 != 0) total = (total & 0xffff) + (total >> 16);
  store16(into, at, ~total & 0xffff);
}

Bytes ip(const Flow& flow, int protocol, Bytes payload, std::size_t checksum_at) {
  const Bytes source = address_bytes(flow.source);
  const Bytes destination = address_bytes(flow.destination);
  const bool is_v4 = source.size() == 4;
  const Bytes pseudo = protocol == IPPROTO_ICMP
                           ? Bytes()
                           : source + destination + number16(payload.size()) + bytes({0, protocol});
  put_checksum(payload, checksum_at, sum(pseudo) + sum(payload));
  if (is_v4) {
    Bytes head = bytes({0x45, 0}) + number16(20 + payload.size()) + bytes({0, 1, 0, 0, 64, protocol, 0, 0}) +
                 source + destination;
    put_checksum(head, 10, sum(head));
    return ethernet(kEtherIpv4, head + payload);
  }
  return ethernet(kEtherIpv6, bytes({0x60, 0, 0, 0}) + number16(payload.size()) + bytes({protocol, 64}) +
                                  source + destination + payload);
}

Bytes ports(const Flow& flow) {
  return number16(static_cast<std::size_t>(flow.source_port)) +
         number16(static_cast<std::size_t>(flow.destination_port));
}

Bytes dns_head(int flags, std::size_t questions, std::size_t answers) {
  return bytes({0x12, 0x34, flags, 0}) + number16(questions) + number16(answers) + bytes({0, 0, 0, 0});
}

}  // namespace

Bytes bytes(std::initializer_list<int> values) {
  Bytes result;
  for (const int value : values) result.push_back(static_cast<std::byte>(value));
  return result;
}

Bytes operator+(Bytes first, const Bytes& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

Bytes address_bytes(std::string_view address) {
  const Address parsed = *Address::parse(address);
  return {parsed.wire().begin(), parsed.wire().end()};
}

Bytes ethernet(int type, const Bytes& payload) {
  return bytes({0x52, 0x55, 10, 0, 2, 2, 2, 1, 2, 3, 4, 5, type >> 8, type & 0xff}) + payload;
}

Bytes arp_request(std::string_view for_address) {
  return ethernet(kEtherArp, bytes({0, 1, 8, 0, 6, 4, 0, 1, 2, 1, 2, 3, 4, 5}) + address_bytes("10.0.2.15") +
                                 bytes({0, 0, 0, 0, 0, 0}) + address_bytes(for_address));
}

Bytes tcp_syn(const Flow& flow) {
  return ip(flow, IPPROTO_TCP, ports(flow) + bytes({0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x10, 0, 0, 0, 0, 0}),
            16);
}

Bytes udp(const Flow& flow, const Bytes& payload) {
  return ip(flow, IPPROTO_UDP, ports(flow) + number16(8 + payload.size()) + bytes({0, 0}) + payload, 6);
}

Bytes icmp(const Flow& flow, int type) {
  const bool is_v4 = address_bytes(flow.source).size() == 4;
  const int protocol = is_v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  return ip(flow, protocol, bytes({type, 0, 0, 0, 0, 1, 0, 1}), 2);
}

Bytes dns_name(std::string_view name) {
  Bytes result;
  while (!name.empty()) {
    const auto dot = name.find('.');
    const auto label = name.substr(0, dot);
    result.push_back(static_cast<std::byte>(label.size()));
    for (const char c : label) result.push_back(static_cast<std::byte>(c));
    name.remove_prefix(dot == std::string_view::npos ? name.size() : dot + 1);
  }
  result.push_back(std::byte{0});
  return result;
}

Bytes dns_record(std::string_view owner, int type, int time_to_live, const Bytes& data) {
  return dns_name(owner) + bytes({0, type, 0, 1, 0, 0}) + number16(static_cast<std::size_t>(time_to_live)) +
         number16(data.size()) + data;
}

Bytes dns_query(std::string_view name) {
  return dns_head(1, 1, 0) + dns_name(name) + bytes({0, 1, 0, 1});
}

Bytes dns_answer(std::string_view question, const std::vector<Bytes>& records) {
  Bytes message = dns_head(0x81, 1, records.size()) + dns_name(question) + bytes({0, 1, 0, 1});
  for (const Bytes& record : records) message = message + record;
  return message;
}

}  // namespace tl::network::test
