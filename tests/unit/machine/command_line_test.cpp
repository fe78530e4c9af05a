// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/command_line.hpp"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <thread>

#include "runtime/machine/tcg/tsc_rate.hpp"
#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::machine;

namespace {

MachineSpec small_spec() {
  MachineSpec spec;
  spec.vcpus = 3;
  spec.memory_mib = 3072;
  spec.kernel = "/data/kernel,with=comma/vmlinux";
  spec.command_line = "tl.answer=42";
  spec.mac = "02:00:00:00:00:01";
  spec.mtu = 9000;
  return spec;
}

bool has_pair(const std::vector<std::string>& argv, const std::string& option, const std::string& part) {
  for (std::size_t i = 0; i + 1 < argv.size(); ++i) {
    if (argv[i] == option && argv[i + 1].find(part) != std::string::npos) return true;
  }
  return false;
}

bool mentions(const std::vector<std::string>& argv, const std::string& part) {
  return std::any_of(argv.begin(), argv.end(),
                     [&](const std::string& word) { return word.find(part) != std::string::npos; });
}

}  // namespace

TEST_CASE("QEMU is told the guest's size and where its descriptors are") {
  const auto argv = qemu_command_line("/usr/bin/qemu", small_spec(), {}, std::nullopt);
  CHECK(argv.front() == "/usr/bin/qemu");
  CHECK(has_pair(argv, "-smp", "3"));
  CHECK(has_pair(argv, "-m", "size=3072M"));
  CHECK(has_pair(argv, "-object", "mem-path=/proc/self/fd/8,size=3072M,share=on,prealloc=off"));
  CHECK(has_pair(argv, "-chardev", "socket,id=qmp,fd=3"));
  CHECK(has_pair(argv, "-chardev", "socket,id=console,fd=4"));
  CHECK(has_pair(argv, "-initrd", "/proc/self/fd/5"));
  CHECK(has_pair(argv, "-blockdev", "server.type=fd,server.str=6,"));
  CHECK(has_pair(argv, "-chardev", "socket,id=agent,fd=7"));
  CHECK(has_pair(argv, "-device", "name=tl.agent"));
  CHECK(has_pair(argv, "-netdev", "dgram,id=network,local.type=fd,local.str=9"));
  CHECK(has_pair(argv, "-device", "virtio-net-device,netdev=network,mac=02:00:00:00:00:01,host_mtu=9000,"));
}

TEST_CASE("a saved machine waits for its state and has the same devices, but no kernel") {
  auto saved = small_spec();
  saved.saved_state.resize(1);
  auto argv = qemu_command_line("qemu", saved, {}, 2'596'130);
  CHECK(has_pair(argv, "-incoming", "defer"));
  for (const char* option : {"-kernel", "-initrd", "-append"}) {
    CHECK(std::count(argv.begin(), argv.end(), option) == 0);
  }
  auto booted = qemu_command_line("qemu", small_spec(), {}, 2'596'130);
  const auto drop = [](std::vector<std::string>& words, const std::string& option) {
    const auto at = std::find(words.begin(), words.end(), option);
    REQUIRE(at != words.end());
    words.erase(at, at + 2);
  };
  for (const char* option : {"-kernel", "-initrd", "-append"}) drop(booted, option);
  drop(argv, "-incoming");
  CHECK(argv == booted);
}

TEST_CASE("the kernel's path is one word, whatever is in it") {
  const auto argv = qemu_command_line("qemu", small_spec(), {}, std::nullopt);
  CHECK(has_pair(argv, "-kernel", "/data/kernel,with=comma/vmlinux"));
}

TEST_CASE("a machine without disk or agent has no device for them") {
  QemuDescriptors numbers;
  numbers.disk = -1;
  numbers.agent = -1;
  const auto argv = qemu_command_line("qemu", small_spec(), numbers, std::nullopt);
  CHECK_FALSE(mentions(argv, "virtio-blk"));
  CHECK_FALSE(mentions(argv, "nbd"));
  CHECK_FALSE(mentions(argv, "virtserialport"));
}

TEST_CASE("a failing disk is reported to the guest and never stops the machine") {
  const auto argv = qemu_command_line("qemu", small_spec(), {}, std::nullopt);
  CHECK(has_pair(argv, "-device", "rerror=report,werror=report"));
}

TEST_CASE("QEMU has no devices, files or privileges beyond those named") {
  const auto argv = qemu_command_line("qemu", small_spec(), {}, std::nullopt);
  CHECK(std::count(argv.begin(), argv.end(), "-nodefaults") == 1);
  CHECK(std::count(argv.begin(), argv.end(), "-no-user-config") == 1);
  CHECK(has_pair(argv, "-sandbox", "spawn=deny"));
}

TEST_CASE("the kernel command line ends with what the caller wants") {
  const std::string line = qemu_kernel_command_line(small_spec(), std::nullopt);
  CHECK(line.starts_with(base_command_line()));
  CHECK(line.ends_with(" tl.answer=42"));
  CHECK(qemu_kernel_command_line(MachineSpec{}, std::nullopt).back() != ' ');
}

TEST_CASE("the guest is told how fast its clocks count where the host's counter counts evenly") {
  CHECK(qemu_kernel_command_line(small_spec(), 2'596'130).find(" machine_clocks=2596130,1000000 ") !=
        std::string::npos);
  CHECK(qemu_kernel_command_line(small_spec(), std::nullopt).find("machine_clocks") == std::string::npos);
}

TEST_CASE("the rate of the host's counter is found out in some milliseconds, the same each time") {
  const TscRate one;
  CHECK(one.missing() <= TscRate::kLeast);
  std::this_thread::sleep_for(one.missing() + std::chrono::milliseconds(1));
  const TscRate other;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(one.missing() == std::chrono::nanoseconds::zero());
  const auto first = one.khz();
  const auto second = other.khz();
  REQUIRE(first.has_value() == second.has_value());
  if (!first) {
    std::cerr << "skipped: this host's time stamp counter does not count evenly\n";
    return;
  }
  CHECK(*first > *second * 0.999);
  CHECK(*first < *second * 1.001);
}
