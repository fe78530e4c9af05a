// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"
#include "runtime/machine/machine.hpp"

namespace tl::machine {

// Whether an accelerator can be used on this host, and why.
struct Verdict {
  bool usable = false;
  std::string reason;  // one sentence: what was found ("/dev/kvm: Permission denied", "QEMU 7.2.22")
  std::string cure;    // what to do when it is not usable and that is known
  // Of what a saved machine needs to find again to go on: the program (qemu_fingerprint()) or the processor
  // (kvm::cpu_fingerprint()).
  std::string fingerprint;

  friend bool operator==(const Verdict&, const Verdict&) = default;
};

// What was found out about this host. Finding out takes some ten milliseconds, so callers keep it and ask
// again only when a fingerprint has changed.
struct HostVerdicts {
  std::string kvm_fingerprint;  // kvm_fingerprint() and tcg_fingerprint() before the probes
  std::string tcg_fingerprint;
  Verdict kvm;
  Verdict tcg;

  friend bool operator==(const HostVerdicts&, const HostVerdicts&) = default;
};

// Asks the host. Blocks for at most some seconds, usually well below 100 ms.
HostVerdicts probe_host();

// Change when the verdict may have. Of kvm: the boot (and with it kernel and processor), /dev/kvm and who we
// are to it; of tcg: the QEMU program. Cheap.
std::string kvm_fingerprint();
std::string tcg_fingerprint();

// One JSON document, and back. What is not one is an error, and the caller probes again.
std::string serialize(const HostVerdicts& verdicts);
Result<HostVerdicts> parse_verdicts(std::string_view text);

enum class AcceleratorRequest { kAuto, kKvm, kTcg };

// Whether what was found out still holds, as far as the request depends on it.
[[nodiscard]] bool still_holds(const HostVerdicts& verdicts, AcceleratorRequest requested);

struct AcceleratorChoice {
  Accelerator accelerator;
  std::string fingerprint;  // Verdict::fingerprint
  std::string reason;       // one sentence: why this one
};

// kvm where it can be used, else tcg, unless one is requested. kHostLacks, explaining both, when there is
// none.
Result<AcceleratorChoice> choose_accelerator(AcceleratorRequest requested, const HostVerdicts& verdicts);

}  // namespace tl::machine
