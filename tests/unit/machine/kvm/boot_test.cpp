// SPDX-License-Identifier: Apache-2.0
#include <asm/bootparam.h>
#include <elf.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <numeric>

#include "runtime/machine/kvm/boot/boot_info.hpp"
#include "runtime/machine/kvm/boot/kernel.hpp"
#include "runtime/machine/kvm/boot/mp_table.hpp"
#include "runtime/machine/kvm/boot/pvh.hpp"
#include "runtime/machine/kvm/layout.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/machine/support.hpp"

using namespace tl;
using namespace tl::machine;
using namespace tl::machine::kvm;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

// An ELF kernel as linkers make them: a loaded segment with a .bss, and a PVH note.
struct ElfKernel {
  Elf64_Ehdr head = {};
  std::vector<Elf64_Phdr> segments = std::vector<Elf64_Phdr>(2);
  std::string code = "code of a kernel";
  struct {
    Elf64_Nhdr head = {4, 4, 18};
    char name[4] = {'X', 'e', 'n', 0};
    std::uint32_t entry = 0x200004;
  } note;

  ElfKernel() {
    std::memcpy(head.e_ident, ELFMAG, SELFMAG);
    head.e_ident[EI_CLASS] = ELFCLASS64;
    head.e_ident[EI_DATA] = ELFDATA2LSB;
    head.e_type = ET_EXEC;
    head.e_machine = EM_X86_64;
    head.e_entry = 0x200000;
    head.e_phoff = sizeof head;
    head.e_phentsize = sizeof(Elf64_Phdr);
    head.e_phnum = 2;
    segments[0].p_type = PT_LOAD;
    segments[0].p_offset = 0x1000;
    segments[0].p_paddr = 0x200000;
    segments[0].p_filesz = code.size();
    segments[0].p_memsz = 0x3000;
    segments[1].p_type = PT_NOTE;
    segments[1].p_offset = 0x800;
    segments[1].p_filesz = sizeof note;
  }
  [[nodiscard]] std::string bytes() const {
    std::string file(0x1000 + code.size(), '\0');
    std::memcpy(file.data(), &head, sizeof head);
    std::memcpy(file.data() + sizeof head, segments.data(), segments.size() * sizeof segments[0]);
    std::memcpy(file.data() + 0x800, &note, sizeof note);
    std::memcpy(file.data() + 0x1000, code.data(), code.size());
    return file;
  }
};

struct Fixture {
  GuestMemory memory = *GuestMemory::create(64 * kMiB);
  test::TempFolder folder;

  Result<LoadedKernel> load(const std::string& bytes, BootProtocol preferred = BootProtocol::kLinux64) {
    const auto path = folder.path / "kernel";
    std::ofstream(path, std::ios::binary) << bytes;
    return load_kernel(path, memory, preferred);
  }
  [[nodiscard]] std::string text(GuestAddr at, std::size_t bytes) const {
    const auto there = memory.at(at, bytes);
    REQUIRE(there);
    return {reinterpret_cast<const char*>(there->data()), bytes};
  }
};

std::string bzimage(std::uint16_t version = 0x020f, std::uint16_t flags = XLF_KERNEL_64) {
  std::string file(4096, '\0');
  setup_header header = {};
  header.setup_sects = 1;
  header.boot_flag = 0xaa55;
  header.header = 0x53726448;
  header.version = version;
  header.loadflags = LOADED_HIGH;
  header.xloadflags = flags;
  header.pref_address = 0x1000000;
  header.init_size = 0x100000;
  std::memcpy(file.data() + 0x1f1, &header, sizeof header);
  std::memcpy(file.data() + 2 * 512, "protected mode", 14);
  return file;
}

unsigned sum(std::span<const std::byte> bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), 0U,
                         [](unsigned s, std::byte b) { return s + std::to_integer<unsigned>(b); }) &
         0xff;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "an ELF kernel is loaded to its physical addresses and entered in 64 bits") {
  const auto kernel = load(ElfKernel().bytes());
  REQUIRE(kernel);
  CHECK(kernel->protocol == BootProtocol::kLinux64);
  CHECK(kernel->entry == GuestAddr{0x200000});
  CHECK(kernel->end == GuestAddr{0x203000});
  CHECK(text({0x200000}, 16) == "code of a kernel");
}

TEST_CASE_METHOD(Fixture, "an ELF kernel with a note of Xen's can be entered by PVH when that is preferred") {
  const auto kernel = load(ElfKernel().bytes(), BootProtocol::kPvh);
  REQUIRE(kernel);
  CHECK(kernel->protocol == BootProtocol::kPvh);
  CHECK(kernel->entry == GuestAddr{0x200004});
  ElfKernel without;
  without.note.head.n_type = 17;
  CHECK(load(without.bytes(), BootProtocol::kPvh)->protocol == BootProtocol::kLinux64);
}

TEST_CASE_METHOD(Fixture, "a damaged ELF kernel is refused with the reason, whatever is wrong with it") {
  const auto refused = [&](auto spoil) {
    ElfKernel kernel;
    spoil(kernel);
    const auto loaded = load(kernel.bytes());
    if (loaded) return false;
    return loaded.error().code == ErrorCode::kOutOfRange && !loaded.error().message.empty();
  };
  CHECK(refused([](ElfKernel& k) { k.head.e_machine = EM_AARCH64; }));
  CHECK(refused([](ElfKernel& k) { k.head.e_ident[EI_CLASS] = ELFCLASS32; }));
  CHECK(refused([](ElfKernel& k) { k.head.e_phnum = 0; }));
  CHECK(refused([](ElfKernel& k) { k.head.e_phnum = 0xffff; }));
  CHECK(refused([](ElfKernel& k) { k.head.e_phoff = ~0ULL - 8; }));
  CHECK(refused([](ElfKernel& k) { k.segments[0].p_offset = ~0ULL - 8; }));
  CHECK(refused([](ElfKernel& k) { k.segments[0].p_filesz = 1 << 20; }));
  CHECK(refused([](ElfKernel& k) { k.segments[0].p_memsz = ~0ULL; }));
  CHECK(refused([](ElfKernel& k) { k.segments[0].p_paddr = 64 * kMiB - 16; }));
  CHECK(refused([](ElfKernel& k) { k.segments[0].p_paddr = 0x7000; }));  // where boot_params will be
  CHECK(refused([](ElfKernel& k) { k.segments[0].p_paddr = kHoleStart; }));
  CHECK(refused([](ElfKernel& k) { k.head.e_entry = 0xffffffff81000000; }));
  CHECK(refused([](ElfKernel& k) { k.segments[1].p_filesz = 1ULL << 40; }));
}

TEST_CASE_METHOD(Fixture, "an ELF kernel cut short anywhere is refused or loaded, and never read beyond") {
  const std::string whole = ElfKernel().bytes();
  for (std::size_t length = 0; length < whole.size(); length += 13) {
    CHECK_FALSE(load(whole.substr(0, length)).has_value());
  }
}

TEST_CASE_METHOD(Fixture, "notes with lengths that lie are passed over") {
  for (const std::uint32_t lie : {0U, 3U, 0x7fffffffU, 0xffffffffU}) {
    ElfKernel kernel;
    kernel.note.head.n_namesz = lie;
    CHECK(load(kernel.bytes(), BootProtocol::kPvh)->protocol == BootProtocol::kLinux64);
    ElfKernel other;
    other.note.head.n_descsz = lie;
    CHECK(load(other.bytes(), BootProtocol::kPvh));
  }
}

TEST_CASE_METHOD(Fixture, "a bzImage is loaded at 1 MiB with its setup header kept") {
  const auto kernel = load(bzimage());
  REQUIRE(kernel);
  CHECK(kernel->entry == GuestAddr{0x100200});
  CHECK(kernel->end == GuestAddr{0x1100000});
  CHECK(kernel->setup_header.size() == sizeof(setup_header));
  CHECK(text({0x100000}, 14) == "protected mode");
}

TEST_CASE_METHOD(Fixture,
                 "a bzImage that is too old, for 32 bits or cut short is refused, and so is any other file") {
  CHECK_FALSE(load(bzimage(0x0206)));
  CHECK_FALSE(load(bzimage(0x020f, 0)));
  CHECK_FALSE(load(bzimage().substr(0, 1100)));
  CHECK_FALSE(load(std::string(8192, 'x')));
  CHECK_FALSE(load(""));
  const auto none = load_kernel(folder.path / "none", memory);
  REQUIRE_FALSE(none);
  CHECK(none.error().message.find("none") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "boot_params tell of the memory, the command line and the initramfs") {
  const auto kernel = load(ElfKernel().bytes());
  REQUIRE(kernel);
  const FilePart initramfs{test::memory_file(), 0, 9};
  REQUIRE(::write(initramfs.file.get(), "initramfs", 9) == 9);
  REQUIRE(write_boot_info(memory, *kernel, {"console=ttyS0", &initramfs, 2}));
  const auto params = memory.load<boot_params>(layout::kBootParams);
  REQUIRE(params);
  CHECK(text({params->hdr.cmd_line_ptr}, 14) == std::string("console=ttyS0\0", 14));
  CHECK(params->hdr.ramdisk_size == 9);
  CHECK(text({params->hdr.ramdisk_image}, 9) == "initramfs");
  REQUIRE(params->e820_entries == 2);
  CHECK(params->e820_table[0].addr + params->e820_table[0].size == layout::kBaseMemoryEnd);
  CHECK(params->e820_table[1].addr == kMiB);
  CHECK(params->e820_table[1].addr + params->e820_table[1].size == 64 * kMiB);
}

TEST_CASE("memory above the hole is a range of its own, and nothing is in the hole") {
  auto memory = GuestMemory::create(kHoleStart + 256 * kMiB);
  REQUIRE(memory);
  LoadedKernel kernel;
  kernel.end = GuestAddr{2 * kMiB};
  REQUIRE(write_boot_info(*memory, kernel, {"", nullptr, 1}));
  const auto params = memory->load<boot_params>(layout::kBootParams);
  REQUIRE(params->e820_entries == 3);
  CHECK(params->e820_table[1].addr + params->e820_table[1].size == kHoleStart);
  CHECK(params->e820_table[2].addr == kHoleEnd);
  CHECK(params->e820_table[2].size == 256 * kMiB);
}

TEST_CASE_METHOD(Fixture, "PVH's start info tells the same") {
  LoadedKernel kernel;
  kernel.protocol = BootProtocol::kPvh;
  const FilePart initramfs{test::memory_file(), 0, 9};
  REQUIRE(::write(initramfs.file.get(), "initramfs", 9) == 9);
  REQUIRE(write_boot_info(memory, kernel, {"quiet", &initramfs, 1}));
  const auto info = memory.load<PvhStartInfo>(layout::kPvhStartInfo);
  CHECK(info->magic == 0x336ec578);
  CHECK(text({info->command_line}, 6) == std::string("quiet\0", 6));
  CHECK(info->modules == 1);
  const auto module = memory.load<PvhModule>({info->module_list});
  CHECK(text({module->start}, module->bytes) == "initramfs");
  CHECK(info->memory_entries == 2);
  CHECK(memory.load<PvhMemory>({info->memory_map})->bytes == layout::kBaseMemoryEnd);
}

TEST_CASE_METHOD(Fixture, "what does not fit is refused by name") {
  LoadedKernel kernel;
  kernel.end = GuestAddr{60 * kMiB};
  FilePart initramfs{test::memory_file(), 0, 5 * kMiB};
  REQUIRE(::ftruncate(initramfs.file.get(), 65 * kMiB) == 0);
  const auto overlap = write_boot_info(memory, kernel, {"", &initramfs, 1});
  REQUIRE_FALSE(overlap);
  CHECK(overlap.error().message.find("initramfs") != std::string::npos);
  initramfs.bytes = 65 * kMiB;
  CHECK_FALSE(write_boot_info(memory, kernel, {"", &initramfs, 1}));
  CHECK(write_boot_info(memory, kernel, {std::string(kCommandLineBytes, 'x'), nullptr, 1}));
  const auto line = write_boot_info(memory, kernel, {std::string(kCommandLineBytes + 1, 'x'), nullptr, 1});
  REQUIRE_FALSE(line);
  CHECK(line.error().message.find("command line") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "the MultiProcessor table has every processor and checksums that hold") {
  for (const unsigned vcpus : {1U, 2U, 64U}) {
    REQUIRE(write_mp_table(memory, vcpus));
    CHECK(text(layout::kMpTable, 4) == "_MP_");
    CHECK(sum(*memory.at(layout::kMpTable, 16)) == 0);
    const GuestAddr table{*memory.load<std::uint32_t>(layout::kMpTable + 4)};
    CHECK(text(table, 4) == "PCMP");
    const auto bytes = *memory.load<std::uint16_t>(table + 4);
    CHECK(sum(*memory.at(table, bytes)) == 0);
    CHECK(*memory.load<std::uint16_t>(table + 34) == vcpus + 2 + 16 + 2);
    for (unsigned i = 0; i < vcpus; ++i) {
      CHECK(*memory.load<std::uint8_t>(table + 44 + i * 20U) == 0);
      CHECK(*memory.load<std::uint8_t>(table + 44 + i * 20U + 1) == i);
    }
    CHECK(text(table + 44 + vcpus * 20U + 2, 3) == "ISA");
  }
}
