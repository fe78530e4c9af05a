// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/host_report.hpp"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>

#include <fmt/format.h>

#include "common/data_folders.hpp"
#include "runtime/sandbox/limits.hpp"
#include "runtime/sandbox/verdict_cache.hpp"
#include "runtime/storage/image_store.hpp"

namespace tl {
namespace {

using Verdict = HostCheck::Verdict;

constexpr std::uint64_t kMiB = 1024 * 1024;
// Enough for a sandbox to be useful; less is worth a word.
constexpr std::uint64_t kComfortableSpaceMiB = 2048;
constexpr rlim_t kComfortableDescriptors = 1024;

HostCheck from_error(const char* name, const Error& error) {
  return {name, Verdict::kFailure, error.message, error.hint};
}

// An accelerator alone need not work: one usable one is enough.
HostCheck accelerator(const char* name, const machine::Verdict& verdict) {
  return {name, verdict.usable ? Verdict::kOk : Verdict::kWarning, verdict.reason,
          verdict.usable ? "" : verdict.cure};
}

HostCheck chosen_accelerator(const machine::HostVerdicts& verdicts) {
  const auto choice = machine::choose_accelerator(machine::AcceleratorRequest::kAuto, verdicts);
  if (!choice) return from_error("accelerator", choice.error());
  return {"accelerator", Verdict::kOk,
          fmt::format("{}: {}", machine::accelerator_name(choice->accelerator), choice->reason), ""};
}

HostCheck kernel() {
  const auto found = find_kernel(data_folders());
  if (!found) return from_error("kernel", found.error());
  return {"kernel", Verdict::kOk, found->string(), ""};
}

HostCheck default_image(const registry::StateFolder& folder) {
  const auto store = storage::ImageStore::open(folder.path(), data_folders());
  if (!store) return from_error("image", store.error());
  const auto image = store->find("default");
  if (!image) return from_error("image", image.error());
  return {"image", Verdict::kOk, fmt::format("default, {}", image->manifest.source), ""};
}

HostCheck space(const registry::StateFolder& folder) {
  struct statvfs info {};
  if (::fstatvfs(folder.fd(), &info) != 0) return from_error("disk-space", errno_error("statvfs"));
  const std::uint64_t free_mib = info.f_bavail * info.f_frsize / kMiB;
  const bool enough = free_mib >= kComfortableSpaceMiB;
  return {"disk-space", enough ? Verdict::kOk : Verdict::kWarning,
          fmt::format("{} MiB free in {}", free_mib, folder.path().string()),
          enough ? "" : "free some space, or put the state folder elsewhere with --home or TL_HOME"};
}

HostCheck memory() {
  struct sysinfo info {};
  if (::sysinfo(&info) != 0) return from_error("memory", errno_error("sysinfo"));
  const std::uint64_t total_mib = info.totalram * info.mem_unit / kMiB;
  const bool enough = total_mib >= 2 * std::uint64_t{kMinMemoryMbPerCore};
  return {"memory", enough ? Verdict::kOk : Verdict::kWarning,
          fmt::format("{} MiB in all, a sandbox takes {} MiB and more", total_mib, kMinMemoryMbPerCore),
          enough ? "" : "run on a machine with more memory"};
}

HostCheck descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return from_error("open-files", errno_error("getrlimit"));
  const bool enough = limit.rlim_cur >= kComfortableDescriptors;
  return {"open-files", enough ? Verdict::kOk : Verdict::kWarning,
          limit.rlim_cur == RLIM_INFINITY ? "no limit" : fmt::format("at most {}", limit.rlim_cur),
          enough ? "" : "raise the limit with ulimit -n"};
}

}  // namespace

HostReport examine_host(const registry::StateFolder& folder) {
  const machine::HostVerdicts verdicts = probe_and_remember(folder);
  HostReport report;
  report.checks = {{"state-folder", Verdict::kOk, folder.path().string(), ""},
                   accelerator("kvm", verdicts.kvm),
                   accelerator("tcg", verdicts.tcg),
                   chosen_accelerator(verdicts),
                   kernel(),
                   default_image(folder),
                   space(folder),
                   memory(),
                   descriptors()};
  report.usable = true;
  for (const auto& check : report.checks) report.usable &= check.verdict != Verdict::kFailure;
  return report;
}

}  // namespace tl
