// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/verdict_cache.hpp"

#include "common/atomic_file.hpp"
#include "common/io.hpp"

namespace tl {
namespace {

constexpr const char* kCacheFile = "host.json";
constexpr std::size_t kMaxCacheBytes = 64 * 1024;

}  // namespace

machine::HostVerdicts host_verdicts(const registry::StateFolder& folder,
                                    machine::AcceleratorRequest requested) {
  if (const auto text = read_file(folder.fd(), kCacheFile, kMaxCacheBytes)) {
    auto remembered = machine::parse_verdicts(*text);
    if (remembered && machine::still_holds(*remembered, requested)) return *std::move(remembered);
  }
  return probe_and_remember(folder);
}

machine::HostVerdicts probe_and_remember(const registry::StateFolder& folder) {
  machine::HostVerdicts verdicts = machine::probe_host();
  [[maybe_unused]] const auto kept = replace_file(folder.fd(), kCacheFile, machine::serialize(verdicts));
  return verdicts;
}

}  // namespace tl
