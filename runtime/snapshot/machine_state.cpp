// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/machine_state.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "common/io.hpp"
#include "common/printable.hpp"
#include "runtime/snapshot/regular_file.hpp"

namespace tl::snapshot {
namespace {

constexpr const char* kFile = "machine";
constexpr std::string_view kMagic = "TLMACHIN";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kMaxShownText = 200;

// As it is on disk; the four texts follow, then the bytes.
struct Header {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t checksum;  // of everything behind this field
  std::uint64_t file_bytes;
  std::uint64_t memory_bytes;
  std::uint32_t vcpus;
  std::array<std::uint16_t, 4> text_bytes;  // accelerator, build, kernel digest, CPU
  std::uint32_t reserved;                   // 0
};
static_assert(sizeof(Header) == 48);
constexpr std::size_t kCheckedFrom = offsetof(Header, file_bytes);
constexpr std::size_t kMaxFileBytes = sizeof(Header) + 4 * MachineState::kMaxText + MachineState::kMaxBytes;

std::uint32_t checksum(std::string_view file) {
  const std::string_view checked = file.substr(kCheckedFrom);
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(checked.data()), checked.size()));
}

Error damaged(std::string_view what) {
  return Error{ErrorCode::kFailure, fmt::format("the saved machine is damaged: {}", what), ""};
}

Error out_of_range(std::string what) {
  return Error{ErrorCode::kOutOfRange, std::move(what), ""};
}

struct State {
  Fingerprint fingerprint;
  std::string_view bytes;  // in the file's
};

Result<State> decode(std::string_view file) {
  Header header;
  if (file.size() < sizeof(header)) return damaged("it is cut off");
  std::memcpy(&header, file.data(), sizeof(header));
  if (std::string_view(header.magic.data(), header.magic.size()) != kMagic)
    return damaged("it is no saved machine");
  if (header.version != kVersion) {
    return Error{ErrorCode::kFailure,
                 fmt::format("the saved machine has the unknown version {}", header.version),
                 "it was made by another version of tl"};
  }
  if (header.file_bytes > file.size())
    return damaged(fmt::format("it is cut off, {} bytes are left of {}", file.size(), header.file_bytes));
  if (header.file_bytes < file.size())
    return damaged(fmt::format("it is {} bytes long in place of {}", file.size(), header.file_bytes));
  if (header.checksum != checksum(file)) return damaged("it does not match its checksum");

  State state;
  std::string_view rest = file.substr(sizeof(header));
  Fingerprint& print = state.fingerprint;
  std::size_t i = 0;
  for (std::string* text : {&print.accelerator, &print.build, &print.kernel_digest, &print.cpu}) {
    const std::size_t length = header.text_bytes[i++];
    if (length > rest.size()) return damaged("a text goes beyond its end");
    *text = rest.substr(0, length);
    rest.remove_prefix(length);
  }
  print.memory_bytes = header.memory_bytes;
  print.vcpus = header.vcpus;
  if (rest.size() > MachineState::kMaxBytes) return damaged("it is too long");
  state.bytes = rest;
  return state;
}

Result<std::string> read_state(int folder) {
  const auto file = open_regular_file(folder, kFile, O_RDONLY);
  if (!file) {
    if (file.error().code == ErrorCode::kNotFound)
      return Error{ErrorCode::kNotFound, "there is no saved machine", ""};
    return file.error();
  }
  if (file->bytes > kMaxFileBytes) return damaged(fmt::format("{} bytes are too long", file->bytes));
  std::string bytes(file->bytes, '\0');
  if (auto got = read_exact(file->fd.get(), std::as_writable_bytes(std::span(bytes))); !got)
    return got.error().within(kFile);
  return bytes;
}

Error does_not_fit(std::string_view what, const std::string& was, const std::string& here) {
  return Error{ErrorCode::kHostLacks,
               fmt::format("the saved machine does not fit: {} was {}, and here it is {}", what,
                           make_printable(was, kMaxShownText), make_printable(here, kMaxShownText)),
               ""};
}

Result<void> check_fit(const Fingerprint& was, const Fingerprint& here) {
  if (was.accelerator != here.accelerator)
    return does_not_fit("the accelerator", was.accelerator, here.accelerator);
  if (was.vcpus != here.vcpus)
    return does_not_fit("the number of vCPUs", std::to_string(was.vcpus), std::to_string(here.vcpus));
  if (was.memory_bytes != here.memory_bytes)
    return does_not_fit("the memory", fmt::format("{} bytes", was.memory_bytes),
                        fmt::format("{} bytes", here.memory_bytes));
  if (was.kernel_digest != here.kernel_digest)
    return does_not_fit("the guest's kernel", was.kernel_digest, here.kernel_digest);
  if (was.build != here.build) return does_not_fit("tl", was.build, here.build);
  if (was.cpu != here.cpu) return does_not_fit("the CPU", was.cpu, here.cpu);
  return {};
}

}  // namespace

Result<void> MachineState::save(int folder, const Fingerprint& fingerprint, std::span<const std::byte> bytes,
                                Durability durability) {
  if (bytes.size() > kMaxBytes)
    return out_of_range(fmt::format("save the machine: {} bytes are too many", bytes.size()));
  Header header = {};
  std::copy(kMagic.begin(), kMagic.end(), header.magic.begin());
  header.version = kVersion;
  header.memory_bytes = fingerprint.memory_bytes;
  header.vcpus = fingerprint.vcpus;
  std::string file(sizeof(header), '\0');
  std::size_t i = 0;
  for (const std::string* text :
       {&fingerprint.accelerator, &fingerprint.build, &fingerprint.kernel_digest, &fingerprint.cpu}) {
    if (text->size() > kMaxText)
      return out_of_range("save the machine: a text of its fingerprint is too long");
    header.text_bytes[i++] = static_cast<std::uint16_t>(text->size());
    file += *text;
  }
  file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  header.file_bytes = file.size();
  std::memcpy(file.data(), &header, sizeof(header));
  header.checksum = checksum(file);
  std::memcpy(file.data(), &header, sizeof(header));
  return replace_file(folder, kFile, file, durability);
}

Result<std::vector<std::byte>> MachineState::load(int folder, const Fingerprint& here) {
  const auto file = read_state(folder);
  if (!file) return file.error();
  const auto state = decode(*file);
  if (!state) return state.error();
  if (auto fits = check_fit(state->fingerprint, here); !fits) return fits.error();
  const auto bytes = std::as_bytes(std::span(state->bytes));
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

Result<Fingerprint> MachineState::read_fingerprint(int folder) {
  const auto file = read_state(folder);
  if (!file) return file.error();
  auto state = decode(*file);
  if (!state) return state.error();
  return std::move(state->fingerprint);
}

Result<void> MachineState::remove(int folder, Durability durability) {
  if (::unlinkat(folder, kFile, 0) != 0) {
    if (errno == ENOENT) return {};
    return errno_error("remove the saved machine");
  }
  if (durability == Durability::kSynced && ::fsync(folder) != 0)
    return errno_error("remove the saved machine: sync the folder");
  return {};
}

}  // namespace tl::snapshot
