// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/image_import.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "common/sha256.hpp"
#include "runtime/storage/image_reference.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/ext4_reader.hpp"
#include "tests/unit/storage/image_support.hpp"
#include "tests/unit/storage/oci/oci_support.hpp"

using namespace tl;
using namespace tl::storage;
using namespace tl::storage::test;
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

struct Fixture {
  TempFolder folder;
  ImageStore store = *ImageStore::open(folder.path() / "home", {});

  Result<Image> import(const std::string& reference, const std::string& name = "") {
    ImageImport wanted{.reference = reference, .disk_mib = 64};
    if (!name.empty()) wanted.name = name;
    return import_image(store, wanted);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return folder.path() / name; }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  // Everything in the store but locks, which stay.
  std::set<std::string> left() const {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(folder.path() / "home/images")) {
      const std::string name = fs::relative(entry.path(), folder.path() / "home/images");
      if (!name.starts_with("locks/")) names.insert(name);
    }
    return names;
  }
  void expect_refused(const std::string& reference, const std::string& words,
                      ErrorCode code = ErrorCode::kOutOfRange) {
    const auto image = import(reference);
    REQUIRE_FALSE(image);
    INFO(image.error().message);
    CHECK(image.error().code == code);
    CHECK(image.error().message.find(words) != std::string::npos);
    for (const char c : image.error().message) CHECK(static_cast<unsigned char>(c) >= 0x20);
    if (fs::exists(folder.path() / "home/images")) CHECK(left() == std::set<std::string>{"locks", "names"});
  }
};

std::string rootfs(const std::string& contents = "contents") {
  TarMaker tar;
  tar.folder("./");
  tar.file("./file", contents);
  tar.symlink("./lib", "usr/lib");
  tar.file("./lib/x", "through a link");
  return tar.finish();
}

std::string gzipped() {
  TarMaker tar(TarMaker::Filter::kGzip);
  tar.file("file", "contents");
  return tar.finish();
}

}  // namespace

TEST_CASE_METHOD(Fixture, "A root file system in a tar becomes an image named after the file") {
  const auto image = import(write("My rootfs.tar", rootfs()));
  REQUIRE(image);
  CHECK(image->name == "my-rootfs");
  CHECK(image->manifest.source_digest == "sha256:" + sha256_hex(rootfs()));
  CHECK(image->manifest.disk_mib == 64);
  const Ext4Reader reader(image->root_file);
  CHECK(reader.contents("file") == "contents");
  CHECK(reader.contents("usr/lib/x") == "through a link");
  CHECK(is_clean(image->root_file));
  REQUIRE(import(write("small.tar.gz", gzipped())));
  CHECK(store.find("small"));
}

TEST_CASE_METHOD(Fixture,
                 "What a guest mounts things on is made when it is missing, and left as it is else") {
  TarMaker tar;
  archive_entry_set_perm(tar.entry("tmp", AE_IFDIR), 0700);
  tar.write();
  tar.file("hello", "");
  const auto image = import(write("scratch.tar", tar.finish()));
  REQUIRE(image);
  const Ext4Reader reader(image->root_file);
  CHECK(reader.inode("tmp").i_mode == (S_IFDIR | 0700));
  CHECK(reader.inode("proc").i_mode == (S_IFDIR | 0555));
  for (const char* name : {"dev", "etc", "run", "sys"}) CHECK(LINUX_S_ISDIR(reader.inode(name).i_mode));
}

TEST_CASE_METHOD(Fixture, "A layout is the same image as a folder, an archive and a compressed archive") {
  LayoutMaker layout;
  layout.list(
      Json::array({named(layout.image({rootfs()}, {{"config", {{"WorkingDir", "/srv/app"}}}}), "1.0")}));
  layout.write_to(path("app"));
  const auto first = import(path("app"));
  REQUIRE(first);
  CHECK(first->name == "app:1.0");
  CHECK(first->manifest.config.working_dir == "/srv/app");
  CHECK(LINUX_S_ISDIR(Ext4Reader(first->root_file).inode("srv/app").i_mode));
  const auto second = import(write("app.tar", layout.as_tar()) + ":1.0", "again");
  REQUIRE(second);
  CHECK(second->manifest.digest == first->manifest.digest);
  CHECK(second->manifest.created_at == first->manifest.created_at);
  TarMaker outer(TarMaker::Filter::kZstd);
  for (const auto& [name, contents] : layout.files.files) outer.file(name, contents);
  const auto third = import("oci-archive:" + write("app.tar.zst", outer.finish()), "third");
  REQUIRE(third);
  CHECK(third->manifest.digest == first->manifest.digest);
  CHECK(import(path("app") + ":2.0").error().code == ErrorCode::kNotFound);
}

TEST_CASE_METHOD(Fixture, "A docker save archive with layers that are links becomes an image") {
  const std::string layer = rootfs();
  const std::string config =
      Json{{"os", "linux"},
           {"architecture", "amd64"},
           {"rootfs", {{"diff_ids", {"sha256:" + sha256_hex(layer), "sha256:" + sha256_hex(layer)}}}}}
          .dump();
  TarMaker tar;
  tar.file("a/layer.tar", layer);
  tar.symlink("b/layer.tar", "../a/layer.tar");
  tar.file("config.json", config);
  tar.file("manifest.json", Json::array({{{"Config", "config.json"},
                                          {"RepoTags", {"reg.example:5000/team/app:7"}},
                                          {"Layers", {"a/layer.tar", "b/layer.tar"}}}})
                                .dump());
  const auto image = import(write("saved.tar", tar.finish()));
  REQUIRE(image);
  CHECK(image->name == "team/app:7");
}

TEST_CASE_METHOD(Fixture, "A folder is copied with all that a file can be") {
  fs::create_directories(path("root/etc"));
  write("root/etc/a", "one file");
  fs::create_hard_link(path("root/etc/a"), path("root/b"));
  fs::create_symlink("/etc/passwd", path("root/link"));
  REQUIRE(::mkfifo(path("root/fifo").c_str(), 0640) == 0);
  write("root/sparse", "x");
  fs::resize_file(path("root/sparse"), 1 << 30);
  REQUIRE(::chmod(path("root/etc/a").c_str(), 04751) == 0);
  const bool attributes = ::setxattr(path("root/etc/a").c_str(), "user.note", "hi", 2, 0) == 0;
  {
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path("root/sock").copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  const auto image = import(path("root"));
  REQUIRE(image);
  CHECK(image->name == "root");
  CHECK(is_clean(image->root_file));
  const Ext4Reader reader(image->root_file);
  CHECK(reader.contents("etc/a") == "one file");
  CHECK(reader.inode_number("etc/a") == reader.inode_number("b"));
  CHECK(reader.inode("etc/a").i_mode == (S_IFREG | 04751));
  CHECK(reader.inode("etc/a").i_uid == 0);
  CHECK(reader.contents("link") == "/etc/passwd");
  CHECK(LINUX_S_ISFIFO(reader.inode("fifo").i_mode));
  CHECK(LINUX_S_ISSOCK(reader.inode("sock").i_mode));
  CHECK(reader.inode("sparse").i_size == 1U << 30);
  CHECK(reader.inode("sparse").i_blocks <= 8);
  if (attributes) CHECK(reader.xattr("etc/a", "user.note") == "hi");
  const auto again = import(path("root"), "again");
  REQUIRE(again);
  CHECK(again->manifest.digest == image->manifest.digest);
  write("root/etc/a", "changed");
  CHECK(import(path("root"))->manifest.digest != image->manifest.digest);
}

TEST_CASE_METHOD(Fixture, "What cannot be taken is refused in one sentence and leaves nothing") {
  expect_refused(path("missing"), "no file or folder", ErrorCode::kNotFound);
  expect_refused("alpine:3", "no file or folder", ErrorCode::kNotFound);
  expect_refused("", "no image");
  expect_refused("docker://", "says no image");
  expect_refused("/dev/null", "neither a file nor a folder");
  expect_refused(write("text", "hello, I am a text file\n"), "tar archive");
  expect_refused(write("empty", ""), "tar archive");
  expect_refused(write("cut.tar", rootfs().substr(0, 700)), "tar archive");
  expect_refused(write("cut.tar.gz", gzipped().substr(0, 60)), "archive");
  expect_refused(write("plain.tar", rootfs()) + ":1", "root file system");
  TarMaker bad;
  bad.file("../evil\nname", "x");
  expect_refused(write("bad.tar", bad.finish()), "..");
  TarMaker bomb(TarMaker::Filter::kZstd);
  bomb.file("bomb", std::string(std::size_t{80} << 20, '\0'));
  expect_refused(write("bomb.tar.zst", bomb.finish()), "more than the disk");
  LayoutMaker layout;
  const Json image = layout.image({rootfs()});
  layout.list(Json::array({image}));
  for (auto& [name, contents] : layout.files.files) {
    if (contents == rootfs()) contents[contents.find("contents")] = 'X';
  }
  layout.write_to(path("lying"));
  expect_refused(path("lying"), "digest");
}

TEST_CASE_METHOD(Fixture, "No link of the host is followed in a layout, and pipes are not waited for") {
  LayoutMaker layout;
  const Json image = layout.image({rootfs()});
  layout.list(Json::array({image}));
  layout.write_to(path("layout"));
  const fs::path blob =
      path("layout") / fs::path("blobs/sha256") / image["digest"].get<std::string>().substr(7);
  fs::rename(blob, path("elsewhere"));
  fs::create_symlink(path("elsewhere"), blob);
  expect_refused(path("layout"), "symbolic link");
  fs::remove(blob);
  REQUIRE(::mkfifo(blob.c_str(), 0600) == 0);
  expect_refused(path("layout"), "not a file");
}

TEST_CASE_METHOD(Fixture, "An import that is given up leaves nothing") {
  const std::string tar = write("a.tar", rootfs(std::string(1 << 20, 'x')));
  for (int looks = 0; looks < 12; ++looks) {
    int left_looks = looks;
    ImageImport wanted{.reference = tar, .disk_mib = 64};
    wanted.watch.cancelled = [&left_looks] { return left_looks-- <= 0; };
    const auto image = import_image(store, wanted);
    if (image) break;
    CHECK(image.error().message.find("interrupted") != std::string::npos);
    CHECK(left() == std::set<std::string>{"locks", "names"});
  }
}

TEST_CASE_METHOD(Fixture, "An image whose name was taken away is removed unless it is used") {
  const auto first = import(write("a.tar", rootfs("first")), "app");
  REQUIRE(first);
  REQUIRE(import(write("a.tar", rootfs("second")), "app"));
  CHECK(store.find_digest(first->manifest.digest));
  CHECK(*store.remove_nameless([](const std::string&) { return true; }) == 0);
  CHECK(*store.remove_nameless([](const std::string&) { return false; }) == 1);
  CHECK_FALSE(store.find_digest(first->manifest.digest));
  CHECK(store.find("app"));
}

TEST_CASE("References are taken apart at the colon where a file is") {
  const TempFolder folder;
  const std::string plain = folder.path() / "image.tar";
  const std::string colon = folder.path() / "a:b";
  std::ofstream{plain};
  std::ofstream{colon};
  CHECK(parse_image_reference(plain)->path == plain);
  CHECK(parse_image_reference(plain + ":app:1")->wanted == "app:1");
  CHECK(parse_image_reference(colon)->path == colon);
  CHECK(parse_image_reference(colon + ":1")->wanted == "1");
  CHECK(parse_image_reference("docker-archive:" + plain + ":app:1")->path == plain);
  CHECK(parse_image_reference("docker://alpine:3")->address == "docker://alpine:3");
  CHECK(parse_image_reference("docker-daemon:app:1")->place == ImageReference::Place::kFetched);
}

TEST_CASE("Names are made of what images are called elsewhere") {
  CHECK(image_name_for("docker://alpine:3") == "alpine:3");
  CHECK(image_name_for("docker://docker.io/library/debian:12") == "debian:12");
  CHECK(image_name_for("docker://localhost:5000/Team/app@sha256:0123") == "team/app");
  CHECK(image_name_for("docker://reg.example/x/y:v1") == "x/y:v1");
  CHECK(image_name_for("library/x") == "x");
  CHECK(image_name_for("///") == "imported");
  CHECK(image_name_for(std::string(500, 'a') + ":" + std::string(500, 'b')).size() <= 128);
  CHECK(image_name_for_file("/tmp/My Root-FS.tar.gz") == "my-root-fs");
  CHECK(image_name_for_file("/srv/debian.oci/") == "debian");
  CHECK(image_name_for_file("...") == "imported");
}
