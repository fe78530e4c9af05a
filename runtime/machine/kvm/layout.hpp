// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/guest_memory.hpp"
#include "common/mmio_device.hpp"

// Where things are in the guest's physical memory. Below 1 MiB is what only the start needs; the kernel reads
// it and takes the pages for itself.
namespace tl::machine::kvm::layout {

inline constexpr GuestAddr kGdt{0x500};
inline constexpr GuestAddr kPvhStartInfo{0x6000};  // modules and memory map in the same page
inline constexpr GuestAddr kBootParams{0x7000};    // the zero page
inline constexpr GuestAddr kPageTables{0x9000};    // three pages: 1 GiB, identity
inline constexpr GuestAddr kCommandLine{0x20000};
inline constexpr std::uint64_t kBaseMemoryEnd = 0x9fc00;  // of what the kernel may use below 1 MiB
inline constexpr GuestAddr kMpTable{0xf0000};             // where a PC's firmware has it
inline constexpr GuestAddr kHighMemory{0x100000};

// An initramfs ends below this, as boot loaders have it.
inline constexpr std::uint64_t kInitramfsEnd = 0x7fffffff;

// virtio-mmio windows, in the hole below 4 GiB, and the lines they interrupt on: those that a PC leaves free.
inline constexpr GuestAddr kDevices{0xd0000000};
inline constexpr std::array<std::uint32_t, 8> kDeviceLines{5, 6, 7, 9, 10, 11, 12, 15};
constexpr GuestAddr device_window(std::size_t index) {
  return kDevices + index * MmioDevice::kWindowBytes;
}

inline constexpr std::uint32_t kIoApic = 0xfec00000;
inline constexpr std::uint32_t kLocalApic = 0xfee00000;
// Three pages that Intel's processors need somewhere for real mode. The page before is KVM's own choice for a
// fourth.
inline constexpr std::uint64_t kTss = 0xfffbd000;

inline constexpr std::uint16_t kSerialPort = 0x3f8;
inline constexpr std::uint32_t kSerialLine = 4;
inline constexpr std::uint16_t kKeyboardPort = 0x60;

}  // namespace tl::machine::kvm::layout
