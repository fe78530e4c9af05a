// SPDX-License-Identifier: Apache-2.0
// Images of a program of threads, locks and signals (tests/support/image_subject.cpp), and what they are made
// of.
#include "runtime/machine/process_image/process_image.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "common/child_process.hpp"
#include "common/io.hpp"
#include "runtime/machine/process_image/image_host.hpp"
#include "runtime/machine/process_image/memory_regions.hpp"
#include "runtime/machine/process_image/open_descriptors.hpp"
#include "runtime/machine/tcg/qemu_filter.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/machine/support.hpp"

using namespace tl;
using namespace tl::machine;
using namespace tl::machine::test;
using namespace std::chrono_literals;

namespace {

constexpr int kSocket = 3;
constexpr int kShared = 8;

// A process that is asked over a socket.
struct Subject {
  ChildProcess process;
  UniqueFd socket;
  UniqueFd memory;

  static Result<Subject> start(const std::string& program, const std::string& shared_text) {
    auto pair = stream_socket_pair();
    UniqueFd memory = memory_file();
    REQUIRE(::ftruncate(memory.get(), 4096) == 0);
    REQUIRE(pwrite_all(memory.get(), std::as_bytes(std::span(shared_text)), 0));
    ChildSpec spec;
    spec.argv = {program};
    spec.fds = {{kSocket, pair->second.get()}, {kShared, memory.get()}};
    auto process = ChildProcess::spawn(spec);
    if (!process) return process.error();
    return Subject{*std::move(process), std::move(pair->first), std::move(memory)};
  }

  // "" when it has ended.
  std::string ask(const std::string& word) const {
    if (!write_all(socket.get(), word + "\n")) return "";
    std::string line;
    char byte = 0;
    while (::read(socket.get(), &byte, 1) == 1 && byte != '\n') line += byte;
    return line;
  }
};

ProcessImageSpec usual() {
  return {{STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, kSocket, kShared}, {}, {}};
}

Result<void> write_image(const Subject& subject, const std::filesystem::path& path,
                         const ProcessImageSpec& spec) {
  const auto file = open_at(AT_FDCWD, path.string(), O_RDWR | O_CREAT | O_EXCL, 0700);
  REQUIRE(file);
  return write_process_image(subject.process.pid(), spec, file->get());
}

// As soon as it waits again: it has answered, and may not have come that far.
Result<void> write_image_soon(const Subject& subject, const std::filesystem::path& path,
                              const ProcessImageSpec& spec) {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  for (;;) {
    auto written = write_image(subject, path, spec);
    const bool early = !written && written.error().code == ErrorCode::kConflict;
    if (!early || std::chrono::steady_clock::now() > deadline) return written;
    std::filesystem::remove(path);
    std::this_thread::sleep_for(1ms);
  }
}

Result<void> check(const std::filesystem::path& path) {
  const auto file = open_at(AT_FDCWD, path.string(), O_RDONLY);
  REQUIRE(file);
  return check_process_image(file->get());
}

// One that has been asked a few things.
Subject busy_subject() {
  auto subject = Subject::start(TL_IMAGE_SUBJECT, "first");
  REQUIRE(subject);
  CHECK(subject->ask("add") == "5");
  CHECK(subject->ask("signal") == "1");
  CHECK(subject->ask("echo") == "42");
  CHECK(subject->ask("shared") == "first");
  return *std::move(subject);
}

}  // namespace

TEST_CASE("a process goes on from its image, in all its threads, and so does it itself") {
  const TempFolder folder;
  const auto image = folder.path / "image";
  {
    const Subject subject = busy_subject();
    const auto written = write_image_soon(subject, image, usual());
    INFO((written ? "" : written.error().message));
    REQUIRE(written);
    CHECK(check(image));
    CHECK(subject.ask("add") == "10");
    CHECK(subject.ask("echo") == "42");
    CHECK(subject.ask("signal") == "2");
    CHECK(subject.ask("heap") == std::to_string((4 << 20) + 10000));
  }
  for (int round = 0; round < 3; ++round) {
    const auto revived = Subject::start(image.string(), "second");
    REQUIRE(revived);
    CHECK(revived->ask("add") == "10");
    CHECK(revived->ask("add") == "15");
    CHECK(revived->ask("echo") == "42");
    CHECK(revived->ask("signal") == "2");
    CHECK(revived->ask("signalfd") == std::to_string(SIGUSR2));
    CHECK(revived->ask("shared") == "second");
    CHECK(revived->ask("deep") == "0");
    CHECK(revived->ask("heap") == std::to_string((4 << 20) + 10000));
    CHECK(revived->ask("heap") == std::to_string((5 << 20) + 10000));
    CHECK(revived->ask("trim") == "10000");
    CHECK(revived->ask("mutex") == "mine");
    CHECK(revived->ask("thread") == "mine");
    CHECK(revived->ask("name") == "image_subject");
    CHECK(revived->ask("pid") == std::to_string(revived->process.pid()));
  }
}

TEST_CASE("an image is not made of an image, and what goes on from one is not hurt by the question") {
  const TempFolder folder;
  {
    const Subject subject = busy_subject();
    REQUIRE(write_image_soon(subject, folder.path / "first", usual()));
  }
  const auto revived = Subject::start((folder.path / "first").string(), "x");
  REQUIRE(revived);
  CHECK(revived->ask("add") == "10");
  const auto refused = write_image_soon(*revived, folder.path / "second", usual());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "an image cannot have a process that is from an image itself");
  CHECK(revived->ask("add") == "15");
}

TEST_CASE("an image has the filter that it was given, and no other program comes of it") {
  const TempFolder folder;
  const auto filter = qemu_filter();
  REQUIRE(filter);
  CHECK(filter->size() % sizeof(sock_filter) == 0);
  ProcessImageSpec spec = usual();
  spec.filter = *filter;
  {
    const Subject subject = busy_subject();
    REQUIRE(write_image_soon(subject, folder.path / "image", spec));
  }
  auto revived = Subject::start((folder.path / "image").string(), "x");
  REQUIRE(revived);
  CHECK(revived->ask("add") == "10");
  CHECK(revived->ask("thread") == "mine");
  CHECK(revived->ask("exec").empty());
  const auto status = revived->process.wait();
  REQUIRE(status);
  CHECK(status->signal == SIGSYS);
}

TEST_CASE("what an image cannot have is refused, and the process goes on") {
  const TempFolder folder;
  const Subject subject = busy_subject();
  ProcessImageSpec without_socket = usual();
  std::erase(without_socket.inherited, kSocket);
  const auto refused = write_image_soon(subject, folder.path / "a", without_socket);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.starts_with("an image cannot have a descriptor of socket:"));
  ProcessImageSpec without_memory = usual();
  std::erase(without_memory.inherited, kShared);
  const auto shared = write_image_soon(subject, folder.path / "b", without_memory);
  REQUIRE_FALSE(shared);
  CHECK(shared.error().message.starts_with("an image cannot have memory shared by /memfd:"));
  CHECK(subject.ask("add") == "10");
  CHECK_FALSE(write_process_image(::getpid(), usual(), -1));
}

TEST_CASE("a process that computes is not kept just then, but when it waits again") {
  const TempFolder folder;
  const Subject subject = busy_subject();
  CHECK(subject.ask("spin") == "spinning");
  const auto busy = write_image(subject, folder.path / "a", usual());
  REQUIRE_FALSE(busy);
  CHECK(busy.error().code == ErrorCode::kConflict);
  CHECK(subject.ask("rest") == "resting");
  REQUIRE(write_image_soon(subject, folder.path / "b", usual()));
  CHECK(Subject::start((folder.path / "b").string(), "x")->ask("add") == "10");
  CHECK(subject.ask("add") == "10");
}

TEST_CASE("a process between two system calls is not kept, for it may hold what others wait for") {
  const TempFolder folder;
  const Subject subject = busy_subject();
  CHECK(subject.ask("call") == "spinning");
  for (int i = 0; i < 50; ++i) {
    const auto busy = write_image(subject, folder.path / std::to_string(i), usual());
    REQUIRE_FALSE(busy);
    CHECK(busy.error().code == ErrorCode::kConflict);
  }
  CHECK(subject.ask("rest") == "resting");
  REQUIRE(write_image_soon(subject, folder.path / "b", usual()));
}

// The C library's heap ends where the kernel would not let it end in another process.
TEST_CASE("a heap gives memory back, and takes more, in a process from an image") {
  const TempFolder folder;
  const auto image = folder.path / "image";
  {
    const Subject subject = busy_subject();
    CHECK(subject.ask("heap") == std::to_string((4 << 20) + 10000));
    REQUIRE(write_image_soon(subject, image, usual()));
    CHECK(subject.ask("trim") == "10000");
  }
  const auto revived = Subject::start(image.string(), "x");
  REQUIRE(revived);
  for (int round = 1; round < 5; ++round) {
    CHECK(revived->ask("trim") == "10000");
    CHECK(revived->ask("heap") == std::to_string((4 << 20) + (round << 20) + 10000));
  }
}

TEST_CASE("an image that is cut off or another file is refused, and never becomes a process") {
  const TempFolder folder;
  const auto image = folder.path / "image";
  {
    const Subject subject = busy_subject();
    REQUIRE(write_image_soon(subject, image, usual()));
  }
  const auto size = std::filesystem::file_size(image);
  for (const std::uintmax_t left : {std::uintmax_t{0}, std::uintmax_t{100}, std::uintmax_t{4096}, size / 2}) {
    const auto part = folder.path / "part";
    std::filesystem::copy_file(image, part, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(part, left);
    const auto checked = check(part);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().message == "it is no image of a process");
  }
  CHECK_FALSE(check("/bin/true"));
  CHECK_FALSE(check("/etc/passwd"));
}

TEST_CASE("an image whose descriptors are not where they were ends, with the status that says so") {
  const TempFolder folder;
  const auto image = folder.path / "image";
  {
    const Subject subject = busy_subject();
    REQUIRE(write_image_soon(subject, image, usual()));
  }
  ChildSpec spec;
  spec.argv = {image.string()};
  auto process = ChildProcess::spawn(spec);
  REQUIRE(process);
  const auto status = process->wait();
  REQUIRE(status);
  CHECK(status->code == 125);
}

TEST_CASE("an image is for the boot, processor and files that it was made with") {
  const TempFolder folder;
  const std::string file = folder.path / "library";
  std::ofstream(file) << "one";
  const auto here = image_host({file});
  REQUIRE(here);
  const auto read = image_host_from(to_json(*here));
  REQUIRE(read);
  CHECK(check_is_here(*read));
  ImageHost other = *read;
  other.boot = "00000000-0000-0000-0000-000000000000\n";
  CHECK(check_is_here(other).error().message == "it was kept before the host was booted");
  CHECK(check_is_here(other).error().code == ErrorCode::kHostLacks);
  other = *read;
  other.processor[0] = other.processor[0] == '0' ? '1' : '0';
  CHECK(check_is_here(other).error().message == "it was kept with another processor");
  std::filesystem::rename(file, file + ".old");
  CHECK_FALSE(check_is_here(*read));
  std::ofstream(file) << "two";
  CHECK(check_is_here(*read).error().message == "it was kept with another " + file);
  CHECK_FALSE(image_host({"/nowhere/at/all"}));
  for (const char* text : {"", "[]", "{}", R"({"boot": 1, "processor": "", "files": {}})",
                           R"({"boot": "", "processor": "", "files": {"/a": 1}})"}) {
    CHECK_FALSE(image_host_from(text));
  }
}

TEST_CASE("regions are read as the kernel writes them, and nonsense is refused") {
  const auto regions = parse_regions(
      "563cfa151000-563cfa7f4000 rw-p 00000000 00:00 0                          [heap]\n"
      "Size:               6796 kB\n"
      "VmFlags: rd wr mr mw me ac hg dd\n"
      "7f2cf3fff000-7f2d33fff000 rw-s 00001000 00:01 25                         /memfd:a b (deleted)\n"
      "VmFlags: rd wr sh mr mw me ms\n"
      "7f2d43fff000-7f2d44000000 ---p 00000000 00:00 0 \n"
      "7f2d4c822000-7f2d4c824000 r-xp 00000000 00:00 0                          [vdso]\n"
      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
      "VmFlags: ex");
  REQUIRE(regions);
  REQUIRE(regions->size() == 4);
  CHECK((*regions)[0].name == "[heap]");
  CHECK((*regions)[0].advice == std::vector<int>{MADV_HUGEPAGE, MADV_DONTDUMP});
  CHECK_FALSE((*regions)[0].has_file());
  CHECK((*regions)[1].shared);
  CHECK((*regions)[1].offset == 4096);
  CHECK((*regions)[1].inode == 25);
  CHECK((*regions)[1].name == "/memfd:a b (deleted)");
  CHECK((*regions)[2].protection == PROT_NONE);
  CHECK((*regions)[3].is_vdso());
  for (const char* text : {"nonsense", "1-", "1000-1000 rw-p 0 00:00 0", "2000-1000 rw-p 0 00:00 0",
                           "1000-2000 rw 0 00:00 0", "1000-2000 rw-p 0 0 0", "1000-2000 rw-p 0 00:00 x"}) {
    CHECK_FALSE(parse_regions(text));
  }
}

TEST_CASE("runs of pages are joined where little is between them") {
  const std::vector<bool> pages = {true, false, true, false, false, false, true, true};
  const auto apart = runs_of(pages, 1);
  REQUIRE(apart.size() == 3);
  const auto joined = runs_of(pages, 2);
  REQUIRE(joined.size() == 2);
  CHECK(joined[0].first == 0);
  CHECK(joined[0].count == 3);
  CHECK(joined[1].first == 6);
  CHECK(joined[1].count == 2);
  CHECK(runs_of({}, 1).empty());
  CHECK(runs_of({false, false}, 1).empty());
}

TEST_CASE("descriptors are read as the kernel writes them") {
  OpenDescriptor event;
  event.target = "anon_inode:[eventfd]";
  REQUIRE(parse_descriptor(
      "pos:\t0\nflags:\t02004002\neventfd-count:               1f\neventfd-semaphore: 1\n", event));
  CHECK(event.kind == OpenDescriptor::Kind::kEvent);
  CHECK(event.event_count == 0x1f);
  CHECK(event.event_semaphore);
  CHECK(event.flags == (O_RDWR | O_NONBLOCK | O_CLOEXEC));
  OpenDescriptor signal;
  signal.target = "anon_inode:[signalfd]";
  REQUIRE(parse_descriptor("flags:\t02004002\nsigmask:\t0000000010002040\n", signal));
  CHECK(signal.signal_mask == 0x10002040);
  OpenDescriptor other;
  other.target = "anon_inode:[io_uring]";
  REQUIRE(parse_descriptor("flags:\t02\n", other));
  CHECK(other.kind == OpenDescriptor::Kind::kOther);
  CHECK_FALSE(parse_descriptor("", other));
}
