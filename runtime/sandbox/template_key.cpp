// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/template_key.hpp"

#include <sys/stat.h>

#include <functional>

#include <fmt/format.h>

#include "runtime/sandbox/limits.hpp"

namespace tl {
namespace {

// Another one for every file that was ever put there.
std::string stamp(const char* path) {
  struct stat status = {};
  if (::stat(path, &status) != 0) return "-";
  return fmt::format("{}:{}:{}:{}.{}", status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec);
}

}  // namespace

std::string template_key(const registry::SandboxRecord& record, const std::filesystem::path& kernel,
                         const std::string& cpu) {
  const registry::Resources& has = record.resources;
  const std::string text =
      fmt::format("tl {} {}; kernel {}; image {}; {} {}; {} vcpus, {} MB, disk {} MB", TL_VERSION,
                  stamp("/proc/self/exe"), stamp(kernel.c_str()), record.image_digest, record.accelerator,
                  cpu, cores(has.cpus), has.memory_mb, has.disk_mb);
  const std::hash<std::string> hash;
  return fmt::format("{}-{:016x}{:016x}", record.accelerator, hash(text), hash(text + "."));
}

}  // namespace tl
