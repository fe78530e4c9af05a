// SPDX-License-Identifier: Apache-2.0
// What a stranger's container image can be: its documents, an archive with links, and layers that are
// unpacked over each other into a small file system in the host's memory. Everything comes to an end,
// refusals are printable, and what was unpacked can be written.
//
// The first byte chooses. Layers: two bytes of length (little endian) before the first, the rest is the
// second.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "common/check.hpp"
#include "common/io.hpp"
#include "runtime/storage/oci/apply.hpp"
#include "runtime/storage/oci/digest.hpp"
#include "runtime/storage/oci/documents.hpp"
#include "runtime/storage/oci/tar_files.hpp"

using namespace tl;
using namespace tl::storage;

namespace {

constexpr std::size_t kMaxOutput = std::size_t{1} << 20;

class TwoLayers final : public oci::ImageFiles {
 public:
  TwoLayers(std::string_view first, std::string_view second) : layers_{first, second} {}
  Result<File> open(const std::string& path) override {
    std::string_view bytes = layers_[path == "0" ? 0 : 1];
    return File{[bytes](std::span<std::byte> into) mutable -> Result<std::size_t> {
                  const std::size_t count = std::min(into.size(), bytes.size());
                  if (count > 0) std::memcpy(into.data(), bytes.data(), count);
                  bytes.remove_prefix(count);
                  return count;
                },
                bytes.size()};
  }

 private:
  std::string_view layers_[2];
};

template <typename T>
void look(const Result<T>& result) {
  if (result) return;
  for (const char c : result.error().message) TL_CHECK(static_cast<unsigned char>(c) >= 0x20);
}

void unpack(std::string_view text) {
  if (text.size() < 2) return;
  const auto low = static_cast<unsigned char>(text[0]);
  const auto high = static_cast<unsigned char>(text[1]);
  text.remove_prefix(2);
  const std::size_t length = std::min<std::size_t>(low | static_cast<std::size_t>(high) << 8, text.size());
  TwoLayers files(text.substr(0, length), text.substr(length));
  oci::Plan plan;
  plan.layers.push_back({"0", {}, {}, ""});
  plan.layers.push_back({"1", {}, {}, ""});
  const std::string path = "/dev/shm/tl-fuzz-oci-" + std::to_string(::getpid());
  ::unlink(path.c_str());
  {
    auto builder = Ext4Builder::create(path, {.size_mib = 64, .links = Ext4Tree::Links::kResolve});
    TL_CHECK(builder.has_value());
    UnpackingBudget budget{std::uint64_t{8} << 20};
    if (oci::apply(**builder, files, plan, budget, {})) static_cast<void>((*builder)->finish());
  }
  ::unlink(path.c_str());
}

void list(std::string_view text) {
  UniqueFd file(::memfd_create("archive", MFD_CLOEXEC));
  TL_CHECK(file && write_all(file.get(), text));
  const auto files = oci::TarFiles::open(std::move(file));
  if (!files) return;
  for (const char* name : {"manifest.json", "a/layer.tar", "b/layer.tar", "../x"}) {
    const auto opened = (*files)->open(name);
    if (opened) static_cast<void>(oci::read_all(opened->source, kMaxOutput, name));
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name for it
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      look(oci::parse_index(text));
      break;
    case 1:
      look(oci::parse_manifest(text));
      break;
    case 2:
      look(oci::parse_config(text));
      break;
    case 3:
      look(oci::parse_saved_images(text));
      break;
    case 4:
      list(text);
      break;
    default:
      unpack(text);
  }
  return 0;
}
