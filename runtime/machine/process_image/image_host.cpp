// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/process_image/image_host.hpp"

#include <cpuid.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/io.hpp"

namespace tl::machine {
namespace {

using nlohmann::json;

Result<std::string> stamp(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return errno_error(path);
  return fmt::format("{}:{}:{}:{}.{}:{}.{}", status.st_dev, status.st_ino, status.st_size,
                     status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                     status.st_ctim.tv_nsec);
}

// Its clocks, and a kernel that stays the same.
Result<std::string> boot() {
  return read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64);
}

// Programs choose by these which instructions they use, and save registers in areas as large as these say.
std::string processor() {
  struct Leaf {
    unsigned leaf;
    unsigned subleaf;
    std::array<unsigned, 4> mask;  // EAX, EBX, ECX, EDX: what is not of one CPU alone
  };
  constexpr unsigned kAll = ~0U;
  constexpr std::array kLeaves = {
      Leaf{0, 0, {kAll, kAll, kAll, kAll}},          Leaf{1, 0, {kAll, 0x0000ff00, kAll, kAll}},
      Leaf{7, 0, {kAll, kAll, kAll, kAll}},          Leaf{7, 1, {kAll, kAll, kAll, kAll}},
      Leaf{0xd, 0, {kAll, kAll, kAll, kAll}},        Leaf{0xd, 1, {kAll, 0, 0, 0}},
      Leaf{0x80000001, 0, {kAll, kAll, kAll, kAll}},
  };
  std::string text;
  for (const Leaf& leaf : kLeaves) {
    std::array<unsigned, 4> has{};
    __get_cpuid_count(leaf.leaf, leaf.subleaf, &has[0], &has[1], &has[2], &has[3]);
    for (std::size_t i = 0; i < has.size(); ++i) text += fmt::format("{:08x}", has[i] & leaf.mask[i]);
  }
  return text;
}

Error not_here(std::string why) {
  return Error{ErrorCode::kHostLacks, std::move(why), ""};
}

}  // namespace

Result<ImageHost> image_host(const std::vector<std::string>& files) {
  auto booted = boot();
  if (!booted) return booted.error();
  ImageHost host{*std::move(booted), processor(), {}};
  for (const std::string& path : files) {
    auto stamped = stamp(path);
    if (!stamped) return stamped.error();
    host.files.push_back({path, *std::move(stamped)});
  }
  return host;
}

std::string to_json(const ImageHost& host) {
  json files = json::object();
  for (const auto& file : host.files) files[file.path] = file.stamp;
  return json{{"boot", host.boot}, {"processor", host.processor}, {"files", std::move(files)}}.dump();
}

Result<ImageHost> image_host_from(std::string_view text) {
  const json document = json::parse(text, nullptr, false);
  const Error malformed{ErrorCode::kFailure, "it does not say what it depends on", ""};
  if (!document.is_object()) return malformed;
  const auto booted = document.find("boot");
  const auto processor = document.find("processor");
  const auto files = document.find("files");
  if (booted == document.end() || processor == document.end() || files == document.end()) return malformed;
  if (!booted->is_string() || !processor->is_string() || !files->is_object()) return malformed;
  ImageHost host{booted->get<std::string>(), processor->get<std::string>(), {}};
  for (const auto& [path, stamped] : files->items()) {
    if (!stamped.is_string()) return malformed;
    host.files.push_back({path, stamped.get<std::string>()});
  }
  return host;
}

Result<void> check_is_here(const ImageHost& host) {
  const auto booted = boot();
  if (!booted || host.boot != *booted) return not_here("it was kept before the host was booted");
  if (host.processor != processor()) return not_here("it was kept with another processor");
  for (const auto& file : host.files) {
    const auto stamped = stamp(file.path);
    if (!stamped || *stamped != file.stamp)
      return not_here(fmt::format("it was kept with another {}", file.path));
  }
  return {};
}

}  // namespace tl::machine
