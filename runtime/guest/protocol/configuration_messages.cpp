// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <string_view>
#include <utility>

#include "runtime/guest/protocol/cbor.hpp"
#include "runtime/guest/protocol/messages.hpp"

namespace tl::guest {
namespace {

using cbor::json;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kMinEntropy = 32;
constexpr std::size_t kMaxEntropy = 512;
constexpr std::size_t kMaxHostname = 64;
constexpr std::size_t kMacBytes = 6;
constexpr std::size_t kMaxSubnets = 8;
constexpr std::size_t kMaxResolvers = 3;
constexpr std::size_t kMaxAddressText = 45;
constexpr std::string_view kRestored[] = {"resumed", "copied", "fresh"};

bool is_machine_id(const std::string& text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

bool is_hostname(const std::string& text) {
  return !text.empty() && text.size() <= kMaxHostname &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
             std::string::npos;
}

json network_item(const NetworkSetup& network) {
  json item = {
      {"mac", cbor::bytes_of(network.mac)}, {"subnets", json::array()}, {"resolvers", network.resolvers}};
  for (const auto& subnet : network.subnets) {
    item["subnets"].push_back({{"address", cbor::bytes_of(subnet.address)},
                               {"bits", subnet.bits},
                               {"gateway", cbor::bytes_of(subnet.gateway)}});
  }
  return item;
}

Result<NetworkSetup::Subnet> take_subnet(const json& item) {
  if (!item.is_object()) return cbor::wrong_field("subnets");
  NetworkSetup::Subnet subnet;
  auto address = cbor::take_bytes(cbor::find(item, "address"), "address");
  if (!address || (address->size() != 4 && address->size() != 16)) return cbor::wrong_field("address");
  subnet.address = *std::move(address);
  const auto most = static_cast<std::int64_t>(subnet.address.size()) * 8;
  const auto bits = cbor::take_integer(cbor::find(item, "bits"), "bits", 0, most);
  if (!bits) return bits.error();
  subnet.bits = static_cast<unsigned>(*bits);
  auto gateway = cbor::take_bytes(cbor::find(item, "gateway"), "gateway");
  if (!gateway || gateway->size() != subnet.address.size()) return cbor::wrong_field("gateway");
  subnet.gateway = *std::move(gateway);
  return subnet;
}

bool is_address_text(const std::string& text) {
  return !text.empty() && text.size() <= kMaxAddressText &&
         text.find_first_not_of("0123456789abcdef:.") == std::string::npos;
}

Result<NetworkSetup> take_network(const json& item) {
  if (!item.is_object()) return cbor::wrong_field("network");
  NetworkSetup network;
  auto mac = cbor::take_bytes(cbor::find(item, "mac"), "mac");
  if (!mac || mac->size() != kMacBytes) return cbor::wrong_field("mac");
  network.mac = *std::move(mac);
  const json* subnets = cbor::find(item, "subnets");
  if (subnets == nullptr || !subnets->is_array() || subnets->size() > kMaxSubnets)
    return cbor::wrong_field("subnets");
  for (const json& each : *subnets) {
    auto subnet = take_subnet(each);
    if (!subnet) return subnet.error();
    network.subnets.push_back(*std::move(subnet));
  }
  const json* resolvers = cbor::find(item, "resolvers");
  if (resolvers == nullptr || !resolvers->is_array() || resolvers->size() > kMaxResolvers)
    return cbor::wrong_field("resolvers");
  for (const json& each : *resolvers) {
    auto resolver = cbor::take_text(&each, "resolvers");
    if (!resolver || !is_address_text(*resolver)) return cbor::wrong_field("resolvers");
    network.resolvers.push_back(*std::move(resolver));
  }
  return network;
}

}  // namespace

template <>
std::vector<std::byte> encode(const Configuration& configuration) {
  const auto* entropy = reinterpret_cast<const char*>(configuration.entropy.data());
  json map = {{"hostname", configuration.hostname},
              {"wall_clock_ns", configuration.wall_clock.count()},
              {"entropy", cbor::bytes_of({entropy, configuration.entropy.size()})},
              {"disk_mib", configuration.disk_mib},
              {"machine_id", configuration.machine_id}};
  if (configuration.restored) map["restored"] = kRestored[static_cast<std::size_t>(*configuration.restored)];
  if (configuration.network) map["network"] = network_item(*configuration.network);
  return cbor::serialize(map);
}

template <>
Result<Configuration> decode<Configuration>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  Configuration configuration;
  auto hostname = cbor::take_text(cbor::find(*map, "hostname"), "hostname");
  if (!hostname || !is_hostname(*hostname)) return cbor::wrong_field("hostname");
  configuration.hostname = std::move(*hostname);
  const auto clock = cbor::take_integer(cbor::find(*map, "wall_clock_ns"), "wall_clock_ns", 0, kMost);
  if (!clock) return clock.error();
  configuration.wall_clock = std::chrono::nanoseconds(*clock);
  const auto entropy = cbor::take_bytes(cbor::find(*map, "entropy"), "entropy");
  if (!entropy || entropy->size() < kMinEntropy || entropy->size() > kMaxEntropy) {
    return cbor::wrong_field("entropy");
  }
  const auto* seed = reinterpret_cast<const std::byte*>(entropy->data());
  configuration.entropy.assign(seed, seed + entropy->size());
  const auto disk = cbor::take_integer(cbor::find(*map, "disk_mib"), "disk_mib", 0, kMost >> 20);
  if (!disk) return disk.error();
  configuration.disk_mib = static_cast<std::uint64_t>(*disk);
  auto machine_id = cbor::take_text(cbor::find(*map, "machine_id"), "machine_id");
  if (!machine_id || !is_machine_id(*machine_id)) return cbor::wrong_field("machine_id");
  configuration.machine_id = std::move(*machine_id);
  if (const json* restored = cbor::find(*map, "restored"); restored != nullptr) {
    const auto kind = cbor::take_kind<Restored>(restored, "restored", kRestored);
    if (!kind) return kind.error();
    configuration.restored = *kind;
  }
  if (const json* item = cbor::find(*map, "network"); item != nullptr) {
    auto network = take_network(*item);
    if (!network) return network.error();
    configuration.network = *std::move(network);
  }
  return configuration;
}

template <>
std::vector<std::byte> encode(const ConfigureReport& report) {
  return cbor::serialize(json{{"error", cbor::bytes_of(report.error)}});
}

template <>
Result<ConfigureReport> decode<ConfigureReport>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  auto error = cbor::take_bytes(cbor::find(*map, "error"), "error");
  if (!error) return error.error();
  return ConfigureReport{std::move(*error)};
}

}  // namespace tl::guest
