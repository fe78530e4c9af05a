// SPDX-License-Identifier: Apache-2.0
#include "cli/network_flags.hpp"

#include "cli/values.hpp"

namespace tl::cli {

void add_network_flags(Command& command, registry::NetworkPolicy& policy) {
  command.flags.push_back({.names = {"-N", "--no-internet"},
                           .value = "",
                           .help = "let it reach nobody, not even the resolver",
                           .set = choose(policy.no_internet, true)});
  command.flags.push_back({.names = {"-A", "--network-allow"},
                           .value = "X",
                           .help =
                               "let it reach only X and its resolver; an IPv4 or IPv6 address, a CIDR block "
                               "or a host name, may be given several times",
                           .set = append(policy.allow),
                           .repeats = Flag::Repeats::kMany});
  command.flags.push_back({.names = {"-D", "--network-deny"},
                           .value = "X",
                           .help = "do not let it reach X, even if --network-allow would; may be given "
                                   "several times",
                           .set = append(policy.deny),
                           .repeats = Flag::Repeats::kMany});
}

}  // namespace tl::cli
