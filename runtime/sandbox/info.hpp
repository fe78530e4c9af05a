// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "runtime/registry/record.hpp"
#include "runtime/sandbox/spec.hpp"
#include "runtime/snapshot/snapshot_manifest.hpp"

// What the runtime reports, as plain data.
namespace tl {

// A port of a sandbox and where it is held open here.
struct ExposedPort {
  std::uint16_t remote = 0;
  std::uint16_t local = 0;  // of 127.0.0.1
};

// What only the monitor of a live sandbox knows.
struct LiveInfo {
  std::uint64_t memory_used_bytes = 0;  // host memory that the machine really uses
  std::uint64_t disk_used_bytes = 0;    // host space of the sandbox's own layers
  unsigned layers = 0;                  // between the image and the device, the writable one included
  std::optional<std::chrono::seconds> until_timeout;       // absent: no timeout
  std::optional<std::chrono::seconds> until_idle_timeout;  // absent: no idle timeout
  std::vector<ExposedPort> ports = {};
};

struct SandboxInfo {
  registry::SandboxRecord record;  // with the status as it truly is: a dead monitor has been noticed
  std::optional<LiveInfo> live;    // describe() of a running sandbox only
};

struct Created {
  SandboxInfo sandbox;
  std::vector<std::string> warnings;  // one sentence each, such as more CPUs than the host has
};

// A sandbox's document that could not be read. It has been set aside, the others are unharmed.
struct DamagedRecord {
  std::string path;    // where it is now
  std::string reason;  // one sentence
};

// What resume() did.
struct Resumed {
  SandboxInfo sandbox;
  // Where its processes are: they went on, or they are gone and the sandbox booted from its disk, because its
  // memory was lost (the reason, one sentence).
  std::optional<std::string> memory_lost;
};

struct SnapshotList {
  std::vector<snapshot::SnapshotManifest> snapshots;  // newest first
  std::vector<std::string> problems;                  // one sentence for every damaged one
};

// What prune() removed.
struct Pruned {
  std::size_t records = 0;  // of terminated sandboxes
  std::size_t templates = 0;
  std::size_t layers = 0;     // that were kept from fetching images
  std::size_t leftovers = 0;  // half-made snapshots and templates, images without a name
};

struct SandboxList {
  std::vector<SandboxInfo> sandboxes;  // newest first
  std::size_t hidden_terminated = 0;   // terminated ones that the filter left out
  std::vector<DamagedRecord> damaged;
};

struct ExecOutcome {
  int exit_code = 0;  // 0–255, 128+n for signal n, 124 timed out, 126 not executable, 127 not found
  // With 126 and 127: why the command did not start, one sentence for stderr. Else empty.
  std::string failure = {};
  // The session that goes on inside, when it was we who left it.
  std::optional<std::int64_t> session_left = {};
  // Of a command that was detached: its number.
  std::optional<std::int64_t> detached_pid = {};
};

// A process that was started by exec(): what is known of it while it runs, and after its end.
struct ProcessRecord {
  enum class Status { kRunning, kRestarting, kExited, kSignaled, kTimedOut, kOomKilled };
  std::int64_t pid = 0;        // of the last run
  std::int64_t first_pid = 0;  // what exec() said
  std::string command;         // shortened; the guest's own words, so make them printable
  std::optional<std::string> name;
  bool managed = false;  // it was detached: it has a log and can be restarted
  RestartPolicy restart = RestartPolicy::kNever;
  std::uint64_t restarts = 0;
  Status status = Status::kRunning;
  int value = 0;  // kExited: the exit code; kSignaled: the signal's number; also of the run before a restart
  std::chrono::system_clock::time_point started_at;                  // the last run, by the guest's clock
  std::optional<std::chrono::system_clock::time_point> finished_at;  // absent: it runs
};

// Some bytes of a log, in the order in which they came.
struct LogOutput {
  enum class Stream { kStdout, kStderr };
  Stream stream = Stream::kStdout;
  std::chrono::system_clock::time_point time;  // by the guest's clock
  std::string bytes;                           // as they are
};

// A command on a terminal inside, which goes on whether or not somebody is attached to it.
struct SessionInfo {
  std::int64_t session = 0;  // also the number of its first process
  std::string command;       // shortened; the guest's own words, so make them printable
  std::chrono::system_clock::time_point started_at;  // by the guest's clock
  std::uint64_t clients = 0;
  std::uint16_t rows = 0, columns = 0;
};

// What copy_files() did.
struct FilesCopied {
  std::uint64_t bytes = 0;            // of the files' contents, holes included
  std::vector<std::string> warnings;  // one sentence each, such as a socket that was left out
  bool complete = true;               // false: nobody reads our stdout any more
};

// How an SSH client gets into a sandbox.
struct SshAccess {
  std::string host;                        // the sandbox's name, else its ID
  std::string user;                        // whom the image's commands run as, a name or a number
  std::filesystem::path identity;          // the private key to show
  std::vector<std::string> proxy_command;  // a program, and its arguments, whose stdin and stdout lead there
};

struct ImageInfo {
  std::string name;
  std::string digest;  // "sha256:…"
  std::uint64_t size_bytes = 0;
  std::chrono::system_clock::time_point created_at;
  std::string description;  // "Debian GNU/Linux 12 (bookworm)"; empty when unknown
};

// Everything that is known of an image.
struct ImageDetails {
  ImageInfo image;
  std::string source_digest;  // "sha256:…" of what it was made from: an OCI manifest, a file; empty: unknown
  std::string architecture;   // as in OCI: "amd64"
  std::uint64_t used_bytes = 0;  // what it took on the host when it was made
  std::uint64_t disk_mb = 0;     // the smallest disk of a sandbox
  std::vector<std::string> env;  // "NAME=value"
  std::string working_dir;
  std::string user;
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  // Of what was made from it and is not terminated: names, or IDs where there is none.
  std::vector<std::string> sandboxes;
  std::vector<std::string> snapshots;
};

struct ExportedImage {
  std::string path;              // as it was asked for
  std::string digest;            // of the OCI manifest, "sha256:…"
  std::uint64_t size_bytes = 0;  // of manifest, config and layer
};

// One thing that doctor looked at.
struct HostCheck {
  enum class Verdict { kOk, kWarning, kFailure };
  std::string name;  // stable, lower case, words joined by hyphens: "kvm", "kernel", "disk-space"
  Verdict verdict = Verdict::kOk;
  std::string detail;  // what was found
  std::string cure;    // what to do; empty when nothing is to be done
};

struct HostReport {
  std::vector<HostCheck> checks;
  bool usable = false;  // a sandbox can be created on this host now
};

}  // namespace tl
