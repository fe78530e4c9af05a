// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/network.hpp"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "common/io.hpp"
#include "common/unique_fd.hpp"

namespace tl::guest {
namespace {

constexpr const char* kCard = "eth0";

// Requests to the kernel (rtnetlink), sent and answered together.
class Requests {
 public:
  template <typename Body>
  void begin(std::uint16_t type, std::uint16_t flags, const Body& body) {
    nlmsghdr head = {};
    head.nlmsg_type = type;
    head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    head.nlmsg_seq = ++count_;
    at_ = bytes_.size();
    append(&head, sizeof head);
    append(&body, sizeof body);
    end();
  }
  void attribute(std::uint16_t type, const void* value, std::size_t size) {
    const rtattr head{static_cast<std::uint16_t>(RTA_LENGTH(size)), type};
    append(&head, sizeof head);
    append(value, size);
    end();
  }
  void attribute(std::uint16_t type, const std::string& value) {
    attribute(type, value.data(), value.size());
  }

  // The first error that is not "there already".
  Result<void> send() const;

 private:
  void append(const void* from, std::size_t size) {
    const auto* bytes = static_cast<const std::byte*>(from);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
  }
  void end() {
    const auto length = static_cast<std::uint32_t>(bytes_.size() - at_);
    std::memcpy(bytes_.data() + at_ + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
  }

  std::vector<std::byte> bytes_;
  std::size_t at_ = 0;  // of the request that is being made
  unsigned count_ = 0;
};

Result<void> Requests::send() const {
  const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) return errno_error("open a netlink socket");
  if (::send(socket.get(), bytes_.data(), bytes_.size(), 0) < 0) return errno_error("set up the network");
  int failed = 0;
  for (unsigned answers = 0; answers < count_;) {
    alignas(nlmsghdr) std::array<char, 8192> buffer;
    // The kernel has answered before send() returned.
    const ssize_t got = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0) return errno_error("set up the network");
    auto left = static_cast<std::uint32_t>(got);
    for (auto* head = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(head, left);
         head = NLMSG_NEXT(head, left)) {
      if (head->nlmsg_type != NLMSG_ERROR) continue;
      const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(head));
      ++answers;
      if (failed == 0 && error->error != -EEXIST) failed = -error->error;
    }
  }
  if (failed != 0) return errno_error(failed, "set up the network");
  return {};
}

void add_address(Requests& requests, unsigned card, const NetworkSetup::Subnet& subnet) {
  ifaddrmsg message = {};
  message.ifa_family = subnet.address.size() == 4 ? AF_INET : AF_INET6;
  message.ifa_prefixlen = static_cast<std::uint8_t>(subnet.bits);
  message.ifa_flags = IFA_F_PERMANENT | IFA_F_NODAD;  // nobody else is on this wire
  message.ifa_index = card;
  requests.begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, message);
  requests.attribute(IFA_LOCAL, subnet.address);
  requests.attribute(IFA_ADDRESS, subnet.address);
}

void add_route(Requests& requests, unsigned card, const NetworkSetup::Subnet& subnet) {
  rtmsg message = {};
  message.rtm_family = subnet.address.size() == 4 ? AF_INET : AF_INET6;
  message.rtm_table = RT_TABLE_MAIN;
  message.rtm_protocol = RTPROT_BOOT;
  message.rtm_scope = RT_SCOPE_UNIVERSE;
  message.rtm_type = RTN_UNICAST;
  requests.begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, message);
  requests.attribute(RTA_GATEWAY, subnet.gateway);
  requests.attribute(RTA_OIF, &card, sizeof card);
}

void set_link(Requests& requests, unsigned card, const std::string& mac, unsigned flags) {
  ifinfomsg message = {};
  message.ifi_family = AF_UNSPEC;
  message.ifi_index = static_cast<int>(card);
  message.ifi_flags = flags;
  message.ifi_change = flags;
  requests.begin(RTM_NEWLINK, 0, message);
  requests.attribute(IFLA_ADDRESS, mac);
}

// For ioctls about the card; open from its first use on. One thread at a time.
Result<int> control_socket() {
  static UniqueFd socket;
  if (!socket) socket.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return errno_error("open a socket");
  return socket.get();
}

Result<unsigned> find_card() {
  const unsigned card = ::if_nametoindex(kCard);
  if (card == 0) return errno_error(std::string("find ") + kCard);
  return card;
}

// The addresses are given: none is to be asked for, made up or announced when the card goes up. What is
// reported of multicast groups is reported once and at once, not for seconds from then on, in which the guest
// may be saved and gone on with many times.
void leave_ipv6_to_us() {
  constexpr std::array<std::pair<const char*, std::string_view>, 4> kSettings = {{
      {"mld_qrv", "1"},
      {"conf/eth0/mldv2_unsolicited_report_interval", "10"},
      {"conf/eth0/accept_ra", "0"},
      {"conf/eth0/addr_gen_mode", "1"},
  }};
  for (const auto& [name, value] : kSettings) {
    const auto file = open_at(AT_FDCWD, std::string("/proc/sys/net/ipv6/") + name, O_WRONLY);
    if (file) static_cast<void>(write_all(file->get(), value));
  }
}

}  // namespace

Result<void> bring_up_network(const NetworkSetup& network) {
  const auto card = find_card();
  if (!card) return card.error();
  leave_ipv6_to_us();
  Requests requests;
  set_link(requests, *card, network.mac, IFF_UP);
  for (const auto& subnet : network.subnets) {
    add_address(requests, *card, subnet);
    add_route(requests, *card, subnet);
  }
  return requests.send();
}

void settle_link() {
  const auto card = find_card();
  if (!card) return;
  ifinfomsg message = {};
  message.ifi_family = AF_UNSPEC;
  message.ifi_index = static_cast<int>(*card);
  Requests requests;
  requests.begin(RTM_GETLINK, 0, message);
  static_cast<void>(requests.send());
  static_cast<void>(control_socket());
}

// By ioctl, which is less code for an emulated guest to run than netlink is, and by a socket that
// settle_link() has opened in what goes on from a template.
Result<void> set_mac(const std::string& mac) {
  const auto socket = control_socket();
  if (!socket) return socket.error();
  ifreq request = {};
  std::strcpy(request.ifr_name, kCard);
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::memcpy(request.ifr_hwaddr.sa_data, mac.data(), mac.size());
  if (::ioctl(*socket, SIOCSIFHWADDR, &request) != 0) return errno_error("set the hardware address");
  return {};
}

}  // namespace tl::guest
