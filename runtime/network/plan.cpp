// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/plan.hpp"

namespace tl::network {

MacAddress mac_of(std::string_view sandbox_id) {
  // FNV-1a: IDs are random, so any even hash will do.
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : sandbox_id) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  MacAddress mac{0x02};
  for (std::size_t i = 1; i < mac.size(); ++i) mac[i] = static_cast<std::uint8_t>(hash >> (8 * i));
  return mac;
}

}  // namespace tl::network
