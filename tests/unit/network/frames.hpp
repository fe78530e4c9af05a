// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

// Frames and DNS messages as a guest, or the world, would make them.
namespace tl::network::test {

using Bytes = std::vector<std::byte>;

Bytes bytes(std::initializer_list<int> values);
Bytes operator+(Bytes first, const Bytes& second);

// Ethernet with that type.
Bytes ethernet(int type, const Bytes& payload);
Bytes arp_request(std::string_view for_address);

struct Flow {
  std::string source = "10.0.2.15";
  std::string destination = "192.0.2.1";
  int source_port = 40000;
  int destination_port = 80;
};
// IPv4 or IPv6, whatever the addresses are. Checksums are right where there are any.
Bytes tcp_syn(const Flow& flow);
Bytes udp(const Flow& flow, const Bytes& payload);
Bytes icmp(const Flow& flow, int type);

// A DNS message: a question, and records.
Bytes dns_name(std::string_view name);
Bytes dns_record(std::string_view owner, int type, int time_to_live, const Bytes& data);
Bytes dns_query(std::string_view name);
Bytes dns_answer(std::string_view question, const std::vector<Bytes>& records);
Bytes address_bytes(std::string_view address);

}  // namespace tl::network::test
