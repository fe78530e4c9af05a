// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <asio/awaitable.hpp>

#include "common/file_part.hpp"
#include "common/result.hpp"

namespace tl::machine {

// Pages of 4096 bytes of a guest's RAM, counted from its beginning.
struct RamRange {
  std::uint64_t first_page = 0;
  std::uint64_t pages = 0;
};

enum class Accelerator { kKvm, kTcg };
[[nodiscard]] const char* accelerator_name(Accelerator accelerator);  // "kvm", "tcg"

// What the guest is, whichever machine runs it.
struct MachineSpec {
  unsigned vcpus = 1;               // 1–64
  double cpu_limit = 1.0;           // CPU seconds a second that all vCPUs together may use; > 0, ≤ vcpus
  std::uint32_t memory_mib = 1024;  // 1024–8192 for each vCPU
  std::filesystem::path kernel;     // ELF vmlinux with a PVH note
  FilePart initramfs;               // cpio newc; for tcg a whole file
  std::string mac;                  // "02:…", of the network card where there is one
  std::uint16_t mtu = 1500;         // bytes; what its driver is told, 1280–65521
  // Added to base_command_line(), which every machine passes, and to what the machine's own devices need.
  std::string command_line;
  // From Machine::save(): the machine goes on from there when it is started, instead of booting. Kernel,
  // initramfs and command line are not used then. Empty: it boots.
  std::vector<std::byte> saved_state;
  // What a saved machine will need at once: a kvm machine has KVM map it before the guest runs, where KVM
  // can. Advice.
  std::vector<RamRange> first_pages;
  // From Machine::keep_process() at the same time: the saved machine goes on as that process. Empty: there is
  // none.
  std::filesystem::path process_image;
};

// What each machine relies on, so that the end of the guest is seen at once: kernel messages on the serial
// console, and a reset (by triple fault) after a panic or a reboot.
[[nodiscard]] const char* base_command_line();

// Why a machine is no more.
struct MachineExit {
  enum class Cause {
    kPowerOff,  // the guest switched itself off
    kReset,     // the guest rebooted, or a triple fault
    kPanic,     // the guest kernel panicked
    kKilled,    // kill() was called
    kBroken,    // the accelerator or the emulator failed; not the guest's doing as far as we know
  };
  Cause cause = Cause::kBroken;
  std::string detail;  // one sentence for people; may quote the guest and is then made printable
};

// A virtual machine of one sandbox. Made by a factory of its kind (kvm/, tcg/), which takes the back ends in
// the form that this kind can use (a BlockDevice or a connected NBD socket), one end of a socket pair for the
// agent link, and the ConsoleMonitor that is fed with the serial console. The ends given to the factory are
// closed when the machine ends: that is how the other side of the agent link notices.
//
// Control thread only (the monitor's io_context). Destroying a machine kills it and waits for its end.
class Machine {
 public:
  virtual ~Machine() = default;

  // Starts the guest. Returns when the guest's first instruction may run, which is well before the agent
  // answers. Once only. A failure that shows later (an emulator that refuses its options) is the exit's,
  // kBroken.
  virtual asio::awaitable<Result<void>> start() = 0;
  // Stops and continues all vCPUs; devices finish what is in flight before pause() returns.
  virtual asio::awaitable<Result<void>> pause() = 0;
  virtual asio::awaitable<Result<void>> resume() = 0;
  // Everything of the paused machine but its memory and what is behind its devices, as opaque bytes for
  // MachineSpec::saved_state of the same kind of machine, also in a later process.
  virtual asio::awaitable<Result<std::vector<std::byte>>> save() = 0;
  // The process of a paused machine that has been saved, into a new file: for MachineSpec::process_image,
  // with which a machine goes on sooner than with saved_state alone, on this host as it is now. kHostLacks
  // from a kind of machine that has no process of its own; after any error there is no file.
  virtual asio::awaitable<Result<void>> keep_process(std::filesystem::path file);
  // From the first call to the second the machine notes which pages of its memory the guest writes to. The
  // second tells them: page p, counted from the beginning of RAM, is bit p % 64 of word p / 64. kHostLacks
  // from a kind of machine that cannot.
  virtual Result<void> note_writes() { return cannot_note_writes(); }
  virtual Result<std::vector<std::uint64_t>> noted_writes() { return cannot_note_writes(); }
  // Waits for the end, which is only there after start() has succeeded. Any number of waiters; each keeps
  // working when the machine is destroyed while it waits (kKilled).
  virtual asio::awaitable<MachineExit> wait() = 0;
  // Ends the guest at once. Idempotent; wait() then returns kKilled unless the machine had ended before.
  virtual void kill() = 0;
  // Host memory that the machine really uses now (resident pages), in bytes.
  [[nodiscard]] virtual std::uint64_t memory_used_bytes() const = 0;

 protected:
  static Error cannot_note_writes() {
    return Error{ErrorCode::kHostLacks, "this machine does not know what its guest writes", ""};
  }
  Machine() = default;
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
};

}  // namespace tl::machine
