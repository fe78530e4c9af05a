// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "runtime/storage/layered_disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/layered_disk_support.hpp"

namespace tl::storage::test {
namespace {

constexpr std::uint64_t kDeviceBytes = 65 * kMiB;  // two map pages
constexpr std::uint64_t kWrittenAt[] = {0, 8192, 64 * kMiB};

// A disk of two layers with something in every map page, closed.
struct Fixture {
  Fixture() {
    auto disk = must(LayeredDisk::create(dir, {base, kDeviceBytes, kDeviceBytes}));
    for (const std::uint64_t offset : kWrittenAt) write_at(*disk, offset, pattern(4096, offset + 2));
    REQUIRE(disk->freeze().has_value());
    for (const std::uint64_t offset : kWrittenAt) write_at(*disk, offset, pattern(512, offset + 3));
    must(disk->discard(8192, 4096));
    must(disk->flush());
  }

  // Nothing changed behind the disk's back may crash us, and what it opens must read as it did.
  void check_refused_or_unharmed() {
    auto disk = LayeredDisk::open(dir, base);
    if (!disk) {
      CHECK(!disk.error().message.empty());
      return;
    }
    Bytes expected = pattern(4096, 2);
    const Bytes over = pattern(512, 3);
    std::copy(over.begin(), over.end(), expected.begin());
    CHECK((read_at(**disk, 0, 4096) == expected));
    CHECK((read_at(**disk, 8192, 4096) == filled(4096, 0)));
  }
  std::string refusal() {
    auto disk = LayeredDisk::open(dir, base);
    if (disk) FAIL("the disk was opened");
    return disk.error().message;
  }
  [[nodiscard]] nlohmann::json manifest() const {
    const Bytes text = read_file(dir / "manifest.json");
    return nlohmann::json::parse(reinterpret_cast<const char*>(text.data()),
                                 reinterpret_cast<const char*>(text.data() + text.size()));
  }
  void set_manifest(const std::string& text) const {
    const auto* begin = reinterpret_cast<const std::byte*>(text.data());
    write_file(dir / "manifest.json", Bytes(begin, begin + text.size()));
  }

  TempFolder temp;
  DiskBase base = make_base(temp, 8192);
  std::filesystem::path dir = temp.path() / "disk";
};

}  // namespace

TEST_CASE("a map with any bit flipped is refused") {
  Fixture f;
  for (const auto& map : disk_files(f.dir, ".map")) {
    const Bytes sound = read_file(map);
    for (std::size_t at = 0; at < sound.size(); at += at < 64 ? 1 : 61) {
      INFO(map << ", byte " << at);
      Bytes damaged = sound;
      damaged[at] ^= std::byte{1} << (at % 8);
      write_file(map, damaged);
      f.refusal();
    }
    write_file(map, sound);
  }
  CHECK(LayeredDisk::open(f.dir, f.base).has_value());
}

TEST_CASE("a map or data file of any other length is refused") {
  Fixture f;
  for (const std::string suffix : {".map", ".data"}) {
    for (const auto& file : disk_files(f.dir, suffix)) {
      const std::uint64_t length = std::filesystem::file_size(file);
      for (const std::uint64_t other :
           {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{511}, std::uint64_t{512}, std::uint64_t{4095},
            std::uint64_t{4096}, length - 4096, length - 512, length - 1, length + 1, length + 4096}) {
        INFO(file << " with " << other << " bytes");
        const auto kept = f.temp.path() / "kept";
        std::filesystem::copy_file(file, kept);
        std::filesystem::resize_file(file, other);
        f.refusal();
        std::filesystem::rename(kept, file);
      }
    }
  }
  f.check_refused_or_unharmed();
}

TEST_CASE("a map that lies with good checksums is refused or harmless") {
  Fixture f;
  const auto map = disk_files(f.dir, ".map").front();
  const std::string name = map.filename().string();
  const std::string id = name.substr(6, kLayerIdLength);
  Bytes bytes = read_file(map);
  MapPage header{};
  std::copy_n(bytes.begin(), header.size(), header.begin());
  auto decoded = decode_map_header(header);
  REQUIRE(decoded.has_value());

  const auto put_page = [&](std::size_t index, const MapPage& page) {
    std::copy(page.begin(), page.end(), bytes.begin() + static_cast<std::ptrdiff_t>(index * kMapPageBytes));
    write_file(map, bytes);
  };
  SECTION("about clusters beyond the end of the device") {
    MapPage page{};
    set_map_entry(page, kClustersPerMapPage - 1, ClusterState::kPresent);
    seal_map_page(page, 1, id);
    put_page(2, page);
    CHECK(f.refusal().find("beyond the end") != std::string::npos);
  }
  SECTION("with a page of another place") {
    MapPage page{};
    set_map_entry(page, 0, ClusterState::kPresent);
    seal_map_page(page, 0, id);
    put_page(2, page);
    f.refusal();
  }
  SECTION("with a page of another layer") {
    MapPage page{};
    set_map_entry(page, 0, ClusterState::kPresent);
    seal_map_page(page, 1, "0123456789abcdef");
    put_page(2, page);
    f.refusal();
  }
  SECTION("about the device's size") {
    decoded->device_bytes = kDeviceBytes - 4096;
    put_page(0, encode_map_header(*decoded));
    CHECK(f.refusal().find("device size") != std::string::npos);
  }
  SECTION("about its id") {
    decoded->id = "0123456789abcdef";
    put_page(0, encode_map_header(*decoded));
    f.refusal();
  }
  SECTION("about its parent") {
    decoded->parent = "0123456789abcdef";
    put_page(0, encode_map_header(*decoded));
    CHECK(f.refusal().find("another layer") != std::string::npos);
  }
  SECTION("that everything is in the data file") {
    MapPage page{};
    for (std::uint32_t i = 0; i < kClustersPerMapPage; ++i) set_map_entry(page, i, ClusterState::kPresent);
    seal_map_page(page, 0, id);
    put_page(1, page);
    CHECK(LayeredDisk::open(f.dir, f.base).has_value());
  }
}

TEST_CASE("a damaged manifest is refused") {
  Fixture f;
  const auto sound = f.manifest();
  const auto ids = sound.at("layers");
  const auto refuse = [&](const std::string& pointer, const nlohmann::json& value) {
    INFO(pointer << " = " << value.dump());
    auto changed = sound;
    changed[nlohmann::json::json_pointer(pointer)] = value;
    f.set_manifest(changed.dump());
    f.refusal();
  };
  for (const nlohmann::json& value :
       {nlohmann::json(), nlohmann::json(-1), nlohmann::json(0.5), nlohmann::json("4096"),
        nlohmann::json(~std::uint64_t{0}), nlohmann::json::array(), nlohmann::json(7)}) {
    refuse("/schema_version", value);
    refuse("/cluster_bytes", value);
    refuse("/device_bytes", value);
    refuse("/quota_bytes", value);
    refuse("/base", value);
    refuse("/base/bytes", value);
    refuse("/layers", value);
    refuse("/layers/0", value);
  }
  refuse("/base/digest", "");
  refuse("/base/digest", "sha256:9999");
  refuse("/device_bytes", kDeviceBytes + 4096);
  refuse("/layers", {ids[0], ids[0]});
  refuse("/layers", {ids[1], ids[0]});
  refuse("/layers", nlohmann::json::array({ids[1]}));
  refuse("/layers/1", "../../../etc/pas");
  refuse("/layers/1", "0123456789abcdef");
  f.set_manifest(sound.dump());
  CHECK(LayeredDisk::open(f.dir, f.base).has_value());
}

TEST_CASE("a damaged manifest of a frozen or a merged disk is refused") {
  Fixture f;
  const auto frozen = f.temp.path() / "frozen";
  {
    auto disk = must(LayeredDisk::open(f.dir, f.base));
    REQUIRE(disk->freeze().has_value());
    must(disk->flatten());
    write_at(*disk, 0, pattern(512, 3));
    REQUIRE(disk->freeze().has_value());
    must(disk->export_frozen(frozen));
  }
  const DiskSpec spec{f.base, kDeviceBytes, kDeviceBytes};
  f.dir = frozen;
  const auto sound = f.manifest();
  const auto refuse = [&](const nlohmann::json& changed) {
    INFO(changed.dump());
    f.set_manifest(changed.dump());
    CHECK(!LayeredDisk::create_from(f.temp.path() / "copy", frozen, spec).has_value());
    CHECK(std::filesystem::is_empty(f.temp.path() / "copy"));
    f.refusal();
  };
  const auto refuse_value = [&](const std::string& name, const nlohmann::json& value) {
    auto changed = sound;
    changed[name] = value;
    refuse(changed);
  };
  for (const nlohmann::json& value :
       {nlohmann::json(), nlohmann::json(1), nlohmann::json(""), nlohmann::json("../../../etc/pas"),
        nlohmann::json("0123456789abcdef"), nlohmann::json::array(), nlohmann::json::object()}) {
    refuse_value("frozen", value);
    refuse_value("bottom_stands_for", value);
    refuse_value("layers", value);
  }
  for (const auto& id : sound.at("layers")) refuse_value("bottom_stands_for", id);
  for (const char* name : {"frozen", "bottom_stands_for", "layers"}) {
    auto changed = sound;
    changed.erase(name);
    refuse(changed);
  }
  refuse_value("layers", nlohmann::json::array());
  refuse_value("layers", {sound.at("layers")[1], sound.at("layers")[0]});
  refuse_value("schema_version", 1);
  f.set_manifest(sound.dump());
  CHECK(LayeredDisk::create_from(f.temp.path() / "copy", frozen, spec).has_value());
}

TEST_CASE("a frozen disk that calls itself writable is refused while others have its files") {
  Fixture f;
  const auto frozen = f.temp.path() / "frozen";
  {
    auto disk = must(LayeredDisk::open(f.dir, f.base));
    must(disk->export_frozen(frozen));
  }
  const auto live = std::exchange(f.dir, frozen);
  auto changed = f.manifest();
  changed["frozen"] = false;
  f.set_manifest(changed.dump());
  CHECK(f.refusal().find("another folder") != std::string::npos);
  f.dir = live;
  CHECK(LayeredDisk::open(f.dir, f.base).has_value());
}

TEST_CASE("a manifest cut off anywhere or of any garbage is refused") {
  Fixture f;
  const std::string sound = f.manifest().dump();
  for (std::size_t length = 0; length < sound.size(); ++length) {
    f.set_manifest(sound.substr(0, length));
    f.refusal();
  }
  f.set_manifest(std::string(100000, '['));
  f.refusal();
  f.set_manifest(std::string(1000, '\xff'));
  f.refusal();
}

TEST_CASE("a link or a folder in place of a file is refused") {
  Fixture f;
  const auto file = disk_files(f.dir, GENERATE(".map", ".data")).front();
  std::filesystem::rename(file, f.temp.path() / "moved");
  SECTION("link") {
    std::filesystem::create_symlink(f.temp.path() / "moved", file);
  }
  SECTION("folder") {
    std::filesystem::create_directory(file);
  }
  SECTION("nothing") {}
  f.refusal();
}

}  // namespace tl::storage::test
