// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "common/sha256.hpp"
#include "runtime/storage/oci/apply.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/ext4_reader.hpp"
#include "tests/unit/storage/image_support.hpp"
#include "tests/unit/storage/oci/oci_support.hpp"

using namespace tl;
using namespace tl::storage;
using namespace tl::storage::test;

namespace {

// Unpacks layers, tars of whatever compression, one over the other, and checks what came out.
struct Unpacked {
  TempFolder folder;
  Result<void> result;

  explicit Unpacked(const std::vector<std::string>& layers,
                    std::uint64_t budget_bytes = std::uint64_t{256} << 20) {
    MemoryFiles files;
    oci::Plan plan;
    for (const auto& layer : layers) {
      const std::string digest = "sha256:" + sha256_hex(layer);
      files.files[digest] = layer;
      plan.layers.push_back({digest, digest, layer.size(), ""});
    }
    unpack(files, plan, budget_bytes);
  }
  Unpacked(MemoryFiles& files, const oci::Plan& plan) { unpack(files, plan, std::uint64_t{256} << 20); }

  void unpack(MemoryFiles& files, const oci::Plan& plan, std::uint64_t budget_bytes) {
    auto builder = Ext4Builder::create(image(), {.size_mib = 64, .links = Ext4Tree::Links::kResolve});
    REQUIRE(builder);
    UnpackingBudget budget{budget_bytes};
    result = oci::apply(**builder, files, plan, budget, {});
    if (!result) return;
    REQUIRE((*builder)->finish());
    CHECK(is_clean(image()));
  }
  [[nodiscard]] std::filesystem::path image() const { return folder.path() / "root.ext4"; }
};

template <typename Fill>
std::string layer(Fill fill, TarMaker::Filter filter = TarMaker::Filter::kNone) {
  TarMaker tar(filter);
  fill(tar);
  return tar.finish();
}

void expect_refused(const Unpacked& unpacked, const std::string& words) {
  REQUIRE_FALSE(unpacked.result);
  INFO(unpacked.result.error().message);
  CHECK(unpacked.result.error().code == ErrorCode::kOutOfRange);
  CHECK(unpacked.result.error().message.find(words) != std::string::npos);
}

std::string lower() {
  return layer([](TarMaker& tar) {
    tar.folder("d");
    tar.file("d/a", "lower a");
    tar.file("d/b", "lower b");
    tar.file("d/sub/x", "lower x");
    tar.file("f", "lower f");
    tar.hard_link("g", "f");
  });
}

}  // namespace

TEST_CASE("A whiteout hides what lower layers have, and nothing else") {
  const Unpacked unpacked({lower(), layer([](TarMaker& tar) {
                             tar.file("d/.wh.a", "");
                             tar.file(".wh.f", "");
                             tar.file(".wh.never-was", "");
                             tar.file("nowhere/.wh.x", "");
                           })});
  REQUIRE(unpacked.result);
  const Ext4Reader reader(unpacked.image());
  CHECK_FALSE(reader.exists("d/a"));
  CHECK(reader.contents("d/b") == "lower b");
  CHECK_FALSE(reader.exists("f"));
  CHECK(reader.contents("g") == "lower f");
  CHECK_FALSE(reader.exists("nowhere"));
}

TEST_CASE("A layer's whiteouts spare what the layer itself has, whichever comes first") {
  for (const bool whiteout_first : {true, false}) {
    INFO(whiteout_first);
    const Unpacked unpacked({lower(), layer([whiteout_first](TarMaker& tar) {
                               if (whiteout_first) tar.file(".wh.d", "");
                               tar.file("d/new", "upper");
                               tar.file("d/a", "upper a");
                               tar.file("d/sub/y", "upper y");
                               if (!whiteout_first) tar.file(".wh.d", "");
                             })});
    REQUIRE(unpacked.result);
    const Ext4Reader reader(unpacked.image());
    auto names = reader.names("d");
    std::erase_if(names, [](const std::string& name) { return name.front() == '.'; });
    std::sort(names.begin(), names.end());
    CHECK(names == std::vector<std::string>{"a", "new", "sub"});
    CHECK(reader.contents("d/a") == "upper a");
    CHECK_FALSE(reader.exists("d/sub/x"));
    CHECK(reader.contents("d/sub/y") == "upper y");
  }
}

TEST_CASE("An opaque folder hides only the children of lower layers") {
  for (const bool marker_first : {true, false}) {
    INFO(marker_first);
    const Unpacked unpacked({lower(), layer([marker_first](TarMaker& tar) {
                               tar.folder("d");
                               if (marker_first) tar.file("d/.wh..wh..opq", "");
                               tar.file("d/new", "upper");
                               tar.hard_link("d/b", "d/new");
                               if (!marker_first) tar.file("d/.wh..wh..opq", "");
                             })});
    REQUIRE(unpacked.result);
    const Ext4Reader reader(unpacked.image());
    CHECK_FALSE(reader.exists("d/a"));
    CHECK_FALSE(reader.exists("d/sub"));
    CHECK(reader.contents("d/new") == "upper");
    CHECK(reader.contents("d/b") == "upper");
    CHECK(reader.contents("f") == "lower f");
  }
}

TEST_CASE("A whiteout in a third layer hides what the second has, and a fourth may bring it back") {
  const auto with = [](const std::string& contents) {
    return layer([&](TarMaker& tar) { tar.file("d/a", contents); });
  };
  const std::string without = layer([](TarMaker& tar) { tar.file("d/.wh.a", ""); });
  const Unpacked gone({lower(), with("second"), without});
  REQUIRE(gone.result);
  CHECK_FALSE(Ext4Reader(gone.image()).exists("d/a"));
  const Unpacked back({lower(), with("second"), without, with("fourth")});
  REQUIRE(back.result);
  CHECK(Ext4Reader(back.image()).contents("d/a") == "fourth");
}

TEST_CASE("Files called like AUFS' own are nobody's, and whiteouts of nothing are refused") {
  const Unpacked unpacked({layer([](TarMaker& tar) {
    tar.folder(".wh..wh.plnk");
    tar.file(".wh..wh.aufs", "x");
  })});
  REQUIRE(unpacked.result);
  CHECK_FALSE(Ext4Reader(unpacked.image()).exists(".wh..wh.aufs"));
  for (const char* name : {"d/.wh.", "d/.wh...", "d/.wh.."}) {
    INFO(name);
    expect_refused(Unpacked({lower(), layer([name](TarMaker& tar) { tar.file(name, ""); })}), "whiteout");
  }
}

TEST_CASE("A hard link reaches into lower layers, and outlives what it was made from") {
  const Unpacked unpacked({lower(), layer([](TarMaker& tar) { tar.hard_link("h", "d/a"); }),
                           layer([](TarMaker& tar) { tar.file("d/.wh.a", ""); })});
  REQUIRE(unpacked.result);
  const Ext4Reader reader(unpacked.image());
  CHECK(reader.contents("h") == "lower a");
  CHECK_FALSE(reader.exists("d/a"));
}

TEST_CASE("A path through a link of a lower layer is resolved inside the root") {
  const Unpacked unpacked({layer([](TarMaker& tar) {
                             tar.folder("usr/lib");
                             tar.symlink("lib", "usr/lib");
                             tar.symlink("absolute", "/usr/lib");
                             tar.symlink("up", "../../../../usr/lib");
                             tar.symlink("usr/lib/again", "../../lib");
                             tar.symlink("dangling", "made/here");
                           }),
                           layer([](TarMaker& tar) {
                             tar.file("lib/a", "a");
                             tar.file("absolute/b", "b");
                             tar.file("up/c", "c");
                             tar.file("usr/lib/again/d", "d");
                             tar.file("dangling/e", "e");
                             tar.hard_link("lib/f", "absolute/a");
                           }),
                           layer([](TarMaker& tar) { tar.file("lib/.wh.b", ""); })});
  REQUIRE(unpacked.result);
  const Ext4Reader reader(unpacked.image());
  CHECK(reader.contents("lib") == "usr/lib");
  for (const std::string name : {"a", "c", "d"}) CHECK(reader.contents("usr/lib/" + name) == name);
  CHECK_FALSE(reader.exists("usr/lib/b"));
  CHECK(reader.contents("made/here/e") == "e");
  CHECK(reader.contents("usr/lib/f") == "a");
}

TEST_CASE("A folder or file takes the place of a link of its name") {
  const Unpacked unpacked({layer([](TarMaker& tar) {
                             tar.folder("target");
                             tar.symlink("l", "target");
                             tar.symlink("m", "target");
                           }),
                           layer([](TarMaker& tar) {
                             tar.folder("l");
                             tar.file("m", "file");
                           })});
  REQUIRE(unpacked.result);
  CHECK(LINUX_S_ISDIR(Ext4Reader(unpacked.image()).inode("l").i_mode));
  CHECK(Ext4Reader(unpacked.image()).contents("m") == "file");
}

TEST_CASE("Links in a circle, too many in a row, and paths that try to get out are refused") {
  const auto refused = [](const std::string& words, auto fill) {
    expect_refused(Unpacked({layer(fill)}), words);
  };
  refused("circle", [](TarMaker& tar) {
    tar.symlink("a", "b");
    tar.symlink("b", "/a");
    tar.file("a/x", "");
  });
  refused("circle", [](TarMaker& tar) {
    tar.symlink("self", "self/self");
    tar.file("self/x", "");
  });
  refused("symbolic links", [](TarMaker& tar) {
    tar.folder("l0");
    for (int i = 1; i <= 41; ++i) tar.symlink("l" + std::to_string(i), "l" + std::to_string(i - 1));
    tar.file("l41/x", "");
  });
  refused("..", [](TarMaker& tar) { tar.file("a/../../x", ""); });
  refused("..", [](TarMaker& tar) { tar.hard_link("mine", "../../etc/passwd"); });
  refused("deep", [](TarMaker& tar) {
    std::string deep = "d";
    for (int i = 0; i < 600; ++i) deep += "/d";
    tar.folder(deep);
    tar.symlink("far", deep);
    tar.folder("far/" + deep);
  });
}

TEST_CASE("Layers of each compression are unpacked") {
  for (const auto filter :
       {TarMaker::Filter::kNone, TarMaker::Filter::kGzip, TarMaker::Filter::kXz, TarMaker::Filter::kZstd}) {
    const Unpacked unpacked({layer([](TarMaker& tar) { tar.file("f", std::string(300'000, 'x')); }, filter)});
    REQUIRE(unpacked.result);
    CHECK(Ext4Reader(unpacked.image()).contents("f") == std::string(300'000, 'x'));
  }
}

TEST_CASE("A layer that is not what its digest, size or diff_id says is refused") {
  const std::string good = layer([](TarMaker& tar) { tar.file("f", "x"); });
  MemoryFiles files;
  files.files["blob"] = good;
  oci::Plan plan;
  plan.layers.push_back({"blob", "sha256:" + sha256_hex(good), good.size(), "sha256:" + sha256_hex(good)});
  CHECK(Unpacked(files, plan).result);
  auto wrong = plan;
  wrong.layers[0].diff_id = "sha256:" + sha256_hex("other");
  expect_refused(Unpacked(files, wrong), "contents");
  wrong = plan;
  wrong.layers[0].digest = "sha256:" + sha256_hex("other");
  expect_refused(Unpacked(files, wrong), "digest");
  wrong = plan;
  *wrong.layers[0].size_bytes -= 1;
  expect_refused(Unpacked(files, wrong), "more bytes");
  *wrong.layers[0].size_bytes += 2;
  expect_refused(Unpacked(files, wrong), "less bytes");
  files.files["blob"] += std::string(1 << 20, '\0');  // behind the end mark
  expect_refused(Unpacked(files, plan), "more bytes");
}

TEST_CASE("A layer may be empty, or end with its last byte") {
  const std::string whole = layer([](TarMaker& tar) { tar.file("f", "contents"); });
  const std::size_t end = whole.find("contents") + 8;
  const Unpacked unpacked({"", whole.substr(0, end), std::string(1024, '\0')});
  REQUIRE(unpacked.result);
  CHECK(Ext4Reader(unpacked.image()).contents("f") == "contents");
}

TEST_CASE("Layers that are no tar, cut off, or damaged within their compression are refused") {
  expect_refused(Unpacked({"hello, I am a text file\n"}), "layer 1 of 1");
  const std::string whole =
      layer([](TarMaker& tar) { tar.file("f", std::string(100'000, 'y')); }, TarMaker::Filter::kGzip);
  for (std::size_t cut = 20; cut < whole.size(); cut += 40) {
    INFO(cut);
    CHECK_FALSE(Unpacked({whole.substr(0, cut)}).result);
  }
}

TEST_CASE(
    "Layers that unpack to far more than the disk are refused by what is counted, be it all overwritten") {
  const std::string bomb =
      layer([](TarMaker& tar) { tar.file("f", std::string(std::size_t{30} << 20, '\0')); },
            TarMaker::Filter::kZstd);
  CHECK(bomb.size() < 100'000);
  CHECK(Unpacked({bomb, bomb, bomb}).result);
  const Unpacked refused({bomb, bomb, bomb}, std::uint64_t{80} << 20);
  expect_refused(refused, "layer 3 of 3");
  CHECK(refused.result.error().hint.find("--disk_mb") != std::string::npos);
}
