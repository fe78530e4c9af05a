// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/registry/record.hpp"
#include "runtime/storage/image_manifest.hpp"

// What callers ask of the runtime, as plain data. Nothing here is checked before the call that takes it;
// ranges are given for the reader and enforced there (kOutOfRange).
namespace tl {

struct RuntimeOptions {
  std::string
      home;  // state folder; empty: $TL_HOME, $XDG_STATE_HOME/tl, ~/.local/state/tl, the first that is set
  bool debug = false;  // monitors started by this runtime log every step
};

enum class AcceleratorChoice { kAuto, kKvm, kTcg };
enum class CreateWait { kReady, kNoWait };

// Whether a machine may go on from one that was saved when it had just booted, instead of booting itself.
enum class TemplateUse { kWhenThere, kNever };

// Whether what the image says is started, unless it is a mere shell, which would end at once.
enum class ImageEntrypoint { kStart, kLeave };

// Who a sandbox or a snapshot outlives: nobody, or the Runtime that created it, so that not even kill -9
// leaves it behind.
enum class SandboxLifetime { kOwn, kCreators };

struct CreateRequest {
  std::optional<std::string> name;         // absent: ephemeral
  std::optional<double> cpus;              // 0 < cpus ≤ 64; absent: 1, or a memory snapshot's
  std::optional<std::uint32_t> memory_mb;  // 1024–8192 for each core, rounded up; absent: 1024 for each
  std::optional<std::uint32_t> disk_mb;    // 10240–102400, no less than the image's or the snapshot's
  std::uint64_t timeout_secs = 0;          // 0: none
  std::uint64_t idle_timeout_secs = 0;     // 0: none
  std::optional<std::string> image;        // absent: "default"
  std::optional<std::string> snapshot;     // ID or name; a memory snapshot has its own image and resources
  // Started with the sandbox, as the process "entrypoint"; empty: what the image says.
  std::vector<std::string> entrypoint;
  ImageEntrypoint image_entrypoint = ImageEntrypoint::kStart;
  registry::NetworkPolicy network;           // check_network_policy()
  std::vector<std::uint32_t> exposed_ports;  // 1–65535 each, at most kMaxExposedPorts
  AcceleratorChoice accelerator = AcceleratorChoice::kAuto;
  TemplateUse template_use = TemplateUse::kWhenThere;
  CreateWait wait = CreateWait::kReady;
  SandboxLifetime lifetime = SandboxLifetime::kOwn;
  // Readable when the caller has been asked to stop (see ExecOptions::signals); any byte gives the start up.
  // -1: cannot be given up.
  int signals = -1;
};

enum class CheckpointType { kFilesystem, kMemory };

struct CheckpointRequest {
  CheckpointType type = CheckpointType::kFilesystem;
  std::optional<std::string> name;           // as a sandbox's; unique among snapshots
  std::chrono::milliseconds limit{600'000};  // then it is given up, and nothing is left of it
  // One of the creator's is known to this Runtime alone, and has no name.
  SandboxLifetime lifetime = SandboxLifetime::kOwn;
};

struct CopyRequest {
  std::uint32_t copies = 1;  // 1–1000
  int signals = -1;          // as CreateRequest::signals
};

// Whether the registry that an image comes from must prove who it is.
enum class RegistryTrust { kVerified, kAny };

struct ImportRequest {
  // A file, a folder or an address, as storage::parse_image_reference() takes them.
  std::string reference;
  std::optional<std::string> name;       // absent: one after the reference
  std::optional<std::uint32_t> disk_mb;  // 10240–102400; absent: 10240
  RegistryTrust trust = RegistryTrust::kVerified;
  int signals = -1;  // as CreateRequest::signals
};

enum class StdinMode { kNone, kForward };

// Where a command has a terminal in place of pipes.
enum class TerminalUse {
  kNone,
  // Only inside: for programs that want one. stdin_mode tells whether something is typed there. Its size is
  // that of a terminal of ours, if there is one, else 24 by 80.
  kInside,
  // Descriptor 0 is a terminal too, in raw mode until the call returns; its keys and its size go inside.
  // Signals end the call, and the session goes on (ExecOutcome::session_left). SIGWINCH and SIGCONT are
  // blocked meanwhile.
  kBothSides,
};

enum class StartFolder { kImages, kHome };

// How a sandbox that is suspended is resumed first, by calls that need a running one.
struct ResumeFirst {
  int signals = -1;                                // as ExecOptions::signals
  std::function<void(std::string_view)> progress;  // told then; may be empty
};

enum class RestartPolicy { kNever, kOnFailure, kAlways };

// For a command that goes on without its caller: its stdin is empty, and its output goes to a log inside.
struct DetachOptions {
  std::optional<std::string> name;  // check_process_name(); unique among the processes that run
  RestartPolicy restart = RestartPolicy::kNever;
  std::optional<std::uint32_t> max_restarts;  // absent: no bound
  // 1 ms to a day: the pause before the first restart, which doubles with each up to the second; a run of ten
  // seconds makes it the first again.
  std::uint64_t initial_backoff_ms = 1000, max_backoff_ms = 60'000;
};

// Where the bytes of a command without a terminal come from and go to: descriptors, which stay the caller's.
struct ExecChannels {
  int in = 0;  // with StdinMode::kForward
  int out = 1, err = 2;
  // In place of a descriptor: the first 4096 bytes go there, what follows is dropped.
  std::string* out_text = nullptr;
  std::string* err_text = nullptr;
};

// What a signal of the caller's does: it goes to the command, or ends the call (kFailure) and hangs the
// command up.
enum class SignalUse { kPass, kHangUp };

struct ExecOptions {
  // No shell is involved. Empty: the image's entrypoint and command, kOutOfRange when it has none.
  std::vector<std::string> command;
  // In this order, later wins; on top of the image's.
  std::vector<std::pair<std::string, std::string>> environment;
  std::string working_directory;  // empty: what `start_folder` says
  StartFolder start_folder = StartFolder::kImages;
  std::string user;  // NAME, UID or UID:GID; empty: the image's
  StdinMode stdin_mode = StdinMode::kNone;
  TerminalUse terminal = TerminalUse::kNone;
  std::optional<std::chrono::milliseconds> timeout;
  // Then exec() returns when the command has started. kOutOfRange with stdin, a terminal or a timeout.
  std::optional<DetachOptions> detach;
  // The reading end of a pipe on which the caller passes on the signals it receives, one byte each, the
  // signal's number; they go to the command's process group. The runtime itself installs no handlers. -1:
  // none.
  int signals = -1;
  SignalUse signal_use = SignalUse::kPass;
  ExecChannels channels = {};
  // Told when a suspended sandbox is resumed first. May be empty.
  std::function<void(std::string_view)> progress;
};

// Of a log (see Runtime::logs).
struct LogOptions {
  std::optional<std::uint32_t> tail;  // only so many of the last lines
  bool follow = false;                // until the process has ended for good
};

// A file or folder, here or in a sandbox.
struct FilePlace {
  std::optional<std::string> sandbox;  // absent: here
  std::string path;  // inside relative to the sandbox's working directory; here "-" is stdin or stdout
};

// `from` or `to` or both are in a sandbox.
struct FileCopy {
  FilePlace from, to;
  int signals = -1;  // as CreateRequest::signals; what is there is then as it was, but for whole new files
  std::function<void(std::string_view)> progress = {};  // as ExecOptions::progress
  // Told about five times a second how many bytes have been moved, as they travel. May be empty.
  std::function<void(std::uint64_t bytes)> moved = {};
};

// The disk of a filesystem snapshot as an image.
struct ImageRegistration {
  std::string name;                            // check_image_name()
  std::string snapshot;                        // ID or name
  std::optional<storage::ImageConfig> config;  // absent: that of the image which the snapshot was made of
  int signals = -1;                            // as CreateRequest::signals; nothing is left behind
  std::function<void(std::uint64_t bytes)> moved = {};  // as FileCopy::moved, but often
};

// An image as an OCI layout.
struct ImageExport {
  std::string name;
  std::string path;  // of a folder that is new or empty; a tar when it ends in ".tar"
  std::string tag = "latest";
  int signals = -1;  // as CreateRequest::signals; nothing is left behind
  std::function<void(std::uint64_t bytes)> moved =
      {};  // of the files' contents; as FileCopy::moved, but often
};

// A port of this machine's 127.0.0.1 that leads to one of a sandbox.
struct TunnelRequest {
  std::uint32_t remote = 0;                              // 1–65535
  std::optional<std::uint32_t> local;                    // 0: one that is free; absent: the same number
  ResumeFirst resume = {};                               // a signal ends the tunnel too
  std::function<void(std::uint16_t local)> opened = {};  // told when connections are taken; may be empty
  std::function<void(const std::string& why)> refused = [](const std::string&) {};  // of one connection
};

enum class ListFilter { kNotTerminated, kAll, kRunning, kSuspended };

}  // namespace tl
