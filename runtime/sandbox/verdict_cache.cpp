// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/verdict_cache.hpp"

#include <fcntl.h>

#include "common/atomic_file.hpp"
#include "common/io.hpp"

namespace tl {
namespace {

constexpr const char* kCacheFile = "host.json";
constexpr std::size_t kMaxCacheBytes = 64 * 1024;

Result<machine::HostVerdicts> remembered(const registry::StateFolder& folder) {
  const auto file = open_at(folder.fd(), kCacheFile, O_RDONLY);
  if (!file) return file.error();
  const auto text = read_regular(file->get(), kMaxCacheBytes);
  if (!text) return text.error();
  return machine::parse_verdicts(*text);
}

}  // namespace

machine::HostVerdicts host_verdicts(const registry::StateFolder& folder,
                                    machine::AcceleratorRequest requested) {
  auto verdicts = remembered(folder);
  if (verdicts && machine::still_holds(*verdicts, requested)) return *std::move(verdicts);
  return probe_and_remember(folder);
}

machine::HostVerdicts probe_and_remember(const registry::StateFolder& folder) {
  machine::HostVerdicts verdicts = machine::probe_host();
  [[maybe_unused]] const auto kept = replace_file(folder.fd(), kCacheFile, machine::serialize(verdicts));
  return verdicts;
}

}  // namespace tl
