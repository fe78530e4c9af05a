// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <zlib.h>

#include "runtime/snapshot/memory_image.hpp"
#include "tests/unit/snapshot/snapshot_support.hpp"

namespace tl::snapshot::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPages = 100;

// A folder with a base and a delta.
struct Saved {
  TempFolder temp;
  Ram ram{kPages};
  fs::path folder = temp.folder("b");

  Saved() {
    auto origin = create_image(temp.folder("a"), kPages);
    ram.fill({0, 50}, 1);
    must(origin.save(ram.bytes(), all_written(kPages), Durability::kLazy));
    must(origin.export_to(open_folder(folder).get(), Durability::kLazy));
    ram.fill({20, 5}, 2);
    ram.fill({30, 5}, 0);
    must(open_image(folder, kPages).save(ram.bytes(), all_written(kPages), Durability::kLazy));
  }
  [[nodiscard]] Error refusal() const {
    const auto opened = try_open_image(folder, kPages);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().message.find(folder.string()) != std::string::npos);
    return opened.error();
  }
  // A new file, for the old one may be shared.
  void replace(const char* name, const std::string& contents) const {
    fs::remove(folder / name);
    write_text(folder / name, contents);
  }
};

TEST_CASE("every flipped bit of a map is noticed", "[snapshot]") {
  const Saved saved;
  for (const char* name : {"memory.map", "memory.base.map"}) {
    const std::string sound = read_text(saved.folder / name);
    for (std::size_t bit = 0; bit < sound.size() * 8; ++bit) {
      std::string damaged = sound;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
      saved.replace(name, damaged);
      REQUIRE(saved.refusal().code == ErrorCode::kFailure);
    }
    saved.replace(name, sound);
  }
  check_image_is(open_image(saved.folder, kPages), saved.ram);
}

TEST_CASE("files that are too short or too long are refused", "[snapshot]") {
  const Saved saved;
  for (const char* name : {"memory", "memory.map", "memory.base", "memory.base.map"}) {
    INFO(name);
    const std::string sound = read_text(saved.folder / name);
    for (const std::size_t length : {std::size_t{0}, sound.size() / 2, sound.size() - 1}) {
      saved.replace(name, sound.substr(0, length));
      CHECK(saved.refusal().code == ErrorCode::kFailure);
    }
    saved.replace(name, sound + "x");
    CHECK(saved.refusal().code == ErrorCode::kFailure);
    saved.replace(name, sound);
  }
}

TEST_CASE("a missing file is damage, none at all is kNotFound", "[snapshot]") {
  const Saved saved;
  for (const char* name : {"memory", "memory.map", "memory.base", "memory.base.map"}) {
    INFO(name);
    fs::rename(saved.folder / name, saved.temp.path() / name);
    CHECK(saved.refusal().code == ErrorCode::kFailure);
    fs::rename(saved.temp.path() / name, saved.folder / name);
  }
  fs::remove_all(saved.folder);
  fs::create_directory(saved.folder);
  CHECK(saved.refusal().code == ErrorCode::kNotFound);
}

TEST_CASE("links and FIFOs in place of a file are refused", "[snapshot]") {
  const Saved saved;
  for (const char* name : {"memory", "memory.map", "memory.base", "memory.base.map"}) {
    INFO(name);
    const fs::path aside = saved.temp.path() / name;
    fs::rename(saved.folder / name, aside);
    fs::create_symlink(aside, saved.folder / name);
    CHECK(saved.refusal().code == ErrorCode::kFailure);
    fs::remove(saved.folder / name);
    REQUIRE(::mkfifo((saved.folder / name).c_str(), 0600) == 0);
    CHECK(saved.refusal().code == ErrorCode::kFailure);
    fs::remove(saved.folder / name);
    fs::rename(aside, saved.folder / name);
  }
}

TEST_CASE("a delta over another base is refused", "[snapshot]") {
  const Saved saved;
  const Saved other;
  for (const char* name : {"memory.base", "memory.base.map"})
    fs::copy_file(other.folder / name, saved.folder / name, fs::copy_options::overwrite_existing);
  CHECK(saved.refusal().message.find("not one of this base") != std::string::npos);
}

TEST_CASE("a memory of another size is refused in words that name both", "[snapshot]") {
  const Saved saved;
  const auto opened = try_open_image(saved.folder, kPages + 1);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().message.find("409600 bytes") != std::string::npos);
  CHECK(opened.error().message.find("413696 bytes") != std::string::npos);
}

TEST_CASE("a map of a later version is refused as such", "[snapshot]") {
  const Saved saved;
  std::string map = read_text(saved.folder / "memory.map");
  map[8] = 2;
  const auto sum = static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(map.data()), 60));
  map.replace(60, sizeof(sum), reinterpret_cast<const char*>(&sum), sizeof(sum));
  saved.replace("memory.map", map);
  CHECK(saved.refusal().message.find("version 2 is unknown") != std::string::npos);
}

}  // namespace
}  // namespace tl::snapshot::test
