// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/boot/mp_table.hpp"

#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>

#include "runtime/machine/kvm/layout.hpp"

namespace tl::machine::kvm {
namespace {

constexpr std::uint8_t kRevision = 4;  // of the specification: 1.4
constexpr std::uint8_t kIsaBus = 0;
constexpr std::uint8_t kLines = 16;  // of an ISA bus
constexpr std::uint8_t kToAllProcessors = 0xff;
constexpr std::uint8_t kApicVersion = 0x14;
constexpr std::uint8_t kIoApicVersion = 0x11;

enum Entry : std::uint8_t { kProcessor, kBus, kIoApic, kIoInterrupt, kLocalInterrupt };
enum Kind : std::uint8_t { kVectored = 0, kNmi = 1, kExtInt = 3 };

struct FloatingPointer {
  char signature[4] = {'_', 'M', 'P', '_'};
  std::uint32_t table = 0;
  std::uint8_t paragraphs = 1;
  std::uint8_t revision = kRevision;
  std::uint8_t checksum = 0;
  std::uint8_t features[5] = {};
};
struct TableHeader {
  char signature[4] = {'P', 'C', 'M', 'P'};
  std::uint16_t bytes = 0;
  std::uint8_t revision = kRevision;
  std::uint8_t checksum = 0;
  char maker[8] = {'T', 'L', ' ', ' ', ' ', ' ', ' ', ' '};
  char product[12] = {'S', 'A', 'N', 'D', 'B', 'O', 'X', ' ', ' ', ' ', ' ', ' '};
  std::uint32_t oem_table = 0;
  std::uint16_t oem_bytes = 0;
  std::uint16_t entries = 0;
  std::uint32_t local_apic = layout::kLocalApic;
  std::uint16_t extended_bytes = 0;
  std::uint8_t extended_checksum = 0;
  std::uint8_t reserved = 0;
};
struct Processor {
  std::uint8_t entry = kProcessor;
  std::uint8_t apic = 0;
  std::uint8_t apic_version = kApicVersion;
  std::uint8_t flags = 0;  // 1: enabled, 2: the first
  std::uint32_t signature = 0x600;
  std::uint32_t features = 0x201;  // FPU, APIC
  std::uint32_t reserved[2] = {};
};
struct Bus {
  std::uint8_t entry = kBus;
  std::uint8_t bus = kIsaBus;
  char type[6] = {'I', 'S', 'A', ' ', ' ', ' '};
};
struct IoApic {
  std::uint8_t entry = kIoApic;
  std::uint8_t apic = 0;
  std::uint8_t version = kIoApicVersion;
  std::uint8_t flags = 1;
  std::uint32_t address = layout::kIoApic;
};
struct Interrupt {
  std::uint8_t entry = kIoInterrupt;
  std::uint8_t kind = kVectored;
  std::uint16_t flags = 0;  // as the bus has it: an edge, active high
  std::uint8_t bus = kIsaBus;
  std::uint8_t line = 0;
  std::uint8_t apic = 0;
  std::uint8_t pin = 0;
};
static_assert(sizeof(FloatingPointer) == 16 && sizeof(TableHeader) == 44 && sizeof(Processor) == 20 &&
              sizeof(Bus) == 8 && sizeof(IoApic) == 8 && sizeof(Interrupt) == 8);

class Table {
 public:
  template <typename T>
  void add(const T& entry) {
    const auto from = std::as_bytes(std::span(&entry, 1));
    bytes_.insert(bytes_.end(), from.begin(), from.end());
  }
  [[nodiscard]] std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// What makes all bytes together 0 modulo 256.
std::uint8_t checksum_of(std::span<const std::byte> bytes) {
  const unsigned sum = std::accumulate(bytes.begin(), bytes.end(), 0U, [](unsigned total, std::byte b) {
    return total + std::to_integer<unsigned>(b);
  });
  return static_cast<std::uint8_t>(0x100 - (sum & 0xff));
}

}  // namespace

Result<void> write_mp_table(const GuestMemory& memory, unsigned vcpus) {
  TL_CHECK(vcpus >= 1 && vcpus <= 64);
  const auto io_apic = static_cast<std::uint8_t>(vcpus);
  TableHeader header;
  Table entries;
  for (unsigned i = 0; i < vcpus; ++i) {
    Processor processor;
    processor.apic = static_cast<std::uint8_t>(i);
    processor.flags = i == 0 ? 3 : 1;
    entries.add(processor);
  }
  entries.add(Bus{});
  entries.add(IoApic{.apic = io_apic});
  for (std::uint8_t line = 0; line < kLines; ++line)
    entries.add(Interrupt{.line = line, .apic = io_apic, .pin = line});
  entries.add(Interrupt{.entry = kLocalInterrupt, .kind = kExtInt, .apic = 0, .pin = 0});
  entries.add(Interrupt{.entry = kLocalInterrupt, .kind = kNmi, .apic = kToAllProcessors, .pin = 1});
  header.entries = static_cast<std::uint16_t>(vcpus + 2 + kLines + 2);
  header.bytes = static_cast<std::uint16_t>(sizeof header + entries.bytes().size());
  header.checksum = static_cast<std::uint8_t>(checksum_of(std::as_bytes(std::span(&header, 1))) +
                                              checksum_of(entries.bytes()));

  FloatingPointer pointer;
  pointer.table = static_cast<std::uint32_t>((layout::kMpTable + sizeof pointer).value);
  pointer.checksum = checksum_of(std::as_bytes(std::span(&pointer, 1)));
  Table whole;
  whole.add(pointer);
  whole.add(header);
  whole.bytes().insert(whole.bytes().end(), entries.bytes().begin(), entries.bytes().end());
  if (!memory.write(layout::kMpTable, whole.bytes()))
    return Error{ErrorCode::kOutOfRange, "the MultiProcessor table does not fit into the guest's memory", ""};
  return {};
}

}  // namespace tl::machine::kvm
