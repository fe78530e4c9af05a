// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/build_context.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <thread>

#include <archive.h>
#include <archive_entry.h>

#include "runtime/build/archive_kind.hpp"
#include "runtime/build/archive_stream.hpp"
#include "runtime/build/context_archive.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/build/folder.hpp"

using namespace tl;
using namespace tl::build;

namespace {

using Names = std::vector<std::string>;

struct Context : test::Folder {
  [[nodiscard]] BuildContext open(const std::string& ignored = "") const {
    auto ignore = DockerIgnore::parse(ignored);
    REQUIRE(ignore);
    auto context = BuildContext::open(path(), *std::move(ignore));
    REQUIRE(context);
    return *std::move(context);
  }
};

Names paths(const BuildContext& context, const std::string& word) {
  const auto found = context.find(word);
  INFO((found ? "" : found.error().message));
  REQUIRE(found);
  Names all;
  for (const auto& each : *found) all.push_back(each.path);
  return all;
}

Error refusal(const BuildContext& context, const std::string& word) {
  const auto found = context.find(word);
  REQUIRE_FALSE(found);
  return found.error();
}

struct Entry {
  std::string text;  // of a file; a link's target
  mode_t mode = 0;
  std::int64_t uid = 0, gid = 0, nanoseconds = 0;
};

// What is in the archive that a COPY of the word sends.
std::map<std::string, Entry> archived(const BuildContext& context, const std::string& word,
                                      const Owner& owner = {}, std::optional<mode_t> mode = {}) {
  auto found = context.find(word);
  REQUIRE(found);
  std::vector<Placed> placed;
  for (auto& each : *found) placed.push_back({each, each.name});
  std::map<std::string, Entry> entries;
  const auto done = stream_archive([&](int fd) { return archive_context(context, placed, owner, mode, fd); },
                                   [&](int fd) -> Result<std::string> {
                                     const std::unique_ptr<archive, int (*)(archive*)> reader(
                                         archive_read_new(), &archive_read_free);
                                     archive_read_support_format_tar(reader.get());
                                     archive_read_open_fd(reader.get(), fd, 10240);
                                     archive_entry* entry = nullptr;
                                     while (archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK) {
                                       Entry& each = entries[archive_entry_pathname(entry)];
                                       each.mode = archive_entry_perm(entry);
                                       each.uid = archive_entry_uid(entry);
                                       each.gid = archive_entry_gid(entry);
                                       each.nanoseconds = archive_entry_mtime_nsec(entry);
                                       if (const char* target = archive_entry_symlink(entry))
                                         each.text = target;
                                       char buffer[100];
                                       const auto n = archive_read_data(reader.get(), buffer, sizeof buffer);
                                       if (n > 0) each.text.assign(buffer, static_cast<std::size_t>(n));
                                     }
                                     return std::string();
                                   });
  REQUIRE(done);
  return entries;
}

Names names(const std::map<std::string, Entry>& entries) {
  Names all;
  for (const auto& [name, entry] : entries) all.push_back(name);
  return all;
}

}  // namespace

TEST_CASE_METHOD(Context, "a word means a file, a folder, or what fits its wildcards") {
  write("a.txt", "a");
  write("b.txt", "b");
  write("d/x/Makefile", "m");
  write("d/y/other", "o");
  write("odd[1]", "");
  const auto context = open();
  CHECK(paths(context, "a.txt") == Names{"a.txt"});
  CHECK(paths(context, "*.txt") == Names{"a.txt", "b.txt"});
  CHECK(paths(context, "d/*/Makefile") == Names{"d/x/Makefile"});
  CHECK(paths(context, "d/?/*") == Names{"d/x/Makefile", "d/y/other"});
  CHECK(paths(context, ".") == Names{""});
  CHECK(paths(context, "/") == Names{""});
  CHECK(paths(context, "odd[[]1]") == Names{"odd[1]"});
  CHECK(refusal(context, "none").code == ErrorCode::kNotFound);
  CHECK(refusal(context, "*.none").message == "there is no *.none in the context");
  CHECK(refusal(context, "a.txt/b").code == ErrorCode::kNotFound);
}

TEST_CASE_METHOD(Context, "no word and no link leads out of the context") {
  write("in/file", "in");
  const test::Folder outside;
  outside.write("secret", "secret");
  link("out", outside.path("secret"));
  link("out-folder", outside.path());
  link("up", "../../../../../../etc/passwd");
  link("in/absolute", "/in/file");
  link("inside", "in");
  link("in/loop", "loop");
  const auto context = open();
  CHECK(paths(context, "../../in/file") == Names{"in/file"});
  CHECK(paths(context, "/in/../in/file") == Names{"in/file"});
  CHECK(paths(context, "inside") == Names{"in"});
  CHECK(paths(context, "inside/file") == Names{"in/file"});
  CHECK(refusal(context, "out-folder/secret").message.find("leads out of the context") != std::string::npos);
  CHECK_FALSE(context.find("out-folder/*"));
  for (const char* word : {"out", "up", "in/absolute", "in/loop", "out-folder"}) {
    INFO(word);
    const auto found = context.find(word);
    REQUIRE(found);
    CHECK(found->front().kind == BuildContext::Source::Kind::kLink);
  }
  const auto entries = archived(context, ".");
  for (const auto& [name, entry] : entries) CHECK(entry.text != "secret");
  CHECK(entries.at("out").text == outside.path("secret"));
  CHECK(archived(context, "up").at("up").text == "../../../../../../etc/passwd");
  CHECK_FALSE(context.open_below("out"));
  CHECK_FALSE(context.open_below("out-folder/secret"));
  CHECK_FALSE(context.open_below("../secret"));
}

TEST_CASE_METHOD(Context, "a .dockerignore holds for words, folders, wildcards and links") {
  for (const char* file : {"keep", "secret", "d/a.o", "d/a.c", "n/deep/keep", "n/deep/not"})
    write(file, file);
  link("way", "secret");
  const auto context = open("secret\n**/*.o\nn\n!n/deep/keep\n");
  CHECK(refusal(context, "secret").hint == "the .dockerignore leaves it out");
  CHECK(refusal(context, "way").hint == "the .dockerignore leaves it out");
  CHECK(paths(context, "d/*") == Names{"d/a.c"});
  CHECK(names(archived(context, ".")) ==
        Names{"./", "d/", "d/a.c", "keep", "n/", "n/deep/", "n/deep/keep", "way"});
}

TEST_CASE_METHOD(Context, "modes and times are kept, the owner is the one that is asked for") {
  write("d/tool", "#!");
  std::filesystem::permissions(path("d/tool"), std::filesystem::perms(04750));
  const timespec times[] = {{0, 0}, {1000, 123'456'789}};
  REQUIRE(::utimensat(AT_FDCWD, path("d/tool").c_str(), times, 0) == 0);
  std::filesystem::permissions(path("d"), std::filesystem::perms(0700));
  const auto context = open();
  auto entries = archived(context, "d", {7, 8});
  CHECK(entries.at("./").mode == 0700);
  CHECK(entries.at("tool").mode == 04750);
  CHECK(entries.at("tool").uid == 7);
  CHECK(entries.at("tool").gid == 8);
  CHECK(entries.at("tool").nanoseconds == 123'456'789);
  entries = archived(context, "d/tool", {}, 0600);
  CHECK(entries.at("tool").mode == 0600);
  CHECK(entries.at("tool").uid == 0);
}

TEST_CASE_METHOD(Context, "what is neither a file nor a folder is left out, and never opened") {
  write("d/file", "x");
  REQUIRE(::mkfifo(path("d/pipe").c_str(), 0600) == 0);
  const auto context = open();
  CHECK(names(archived(context, "d")) == Names{"./", "file"});
  CHECK(refusal(context, "d/pipe").message == "d/pipe is neither a file nor a folder");
}

TEST_CASE_METHOD(Context, "a taker that stops ends the giver, and is the cause") {
  for (int i = 0; i < 50; ++i) write("big" + std::to_string(i), std::string(100'000, 'x'));
  const auto context = open();
  const auto found = context.find(".");
  REQUIRE(found);
  const auto done = stream_archive(
      [&](int fd) {
        return archive_context(context, {{found->front(), ""}}, {}, {}, fd);
      },
      [](int) -> Result<std::string> {
        return Error{ErrorCode::kFailure, "no space", ""};
      });
  REQUIRE_FALSE(done);
  CHECK(done.error().message == "no space");
}

TEST_CASE_METHOD(Context, "archives are told by their first bytes") {
  using namespace std::string_literals;
  write("gz", "\x1f\x8b\x08");
  write("bz", "BZh9");
  write("xz",
        "\xfd"
        "7zXZ\0"s);
  write("zst", "\x28\xb5\x2f\xfd");
  write("tar", std::string(257, 'x') + "ustar\0"s);
  write("text", "hello");
  write("empty", "");
  const auto context = open();
  for (const auto& [name, filter] :
       std::initializer_list<std::pair<const char*, const char*>>{{"gz", "gzip"},
                                                                  {"bz", "bzip2"},
                                                                  {"xz", "xz"},
                                                                  {"zst", "zstd"},
                                                                  {"tar", "cat"},
                                                                  {"text", ""},
                                                                  {"empty", ""}}) {
    INFO(name);
    const auto file = context.open_below(name);
    REQUIRE(file);
    CHECK(*archive_filter(file->get()) == filter);
  }
}
