// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <utility>

#include "common/data_folders.hpp"
#include "common/printable.hpp"
#include "runtime/sandbox/file_transfer.hpp"
#include "runtime/sandbox/liveness.hpp"
#include "runtime/sandbox/local_runtime.hpp"
#include "runtime/storage/image_store.hpp"

namespace tl {
namespace {

constexpr std::size_t kShownBytes = 1000;

// Before anything is resumed for it.
Result<void> check_source(const FilePlace& source) {
  struct stat there {};
  if (source.path == "-" || ::stat(source.path.c_str(), &there) == 0) return {};
  if (errno != ENOENT) return errno_error("look at " + make_printable(source.path, kShownBytes));
  return Error{ErrorCode::kNotFound, "there is no file or folder " + make_printable(source.path, kShownBytes),
               ""};
}

}  // namespace

Result<FilesEnd> LocalRuntime::reach(const FilePlace& place, const FileCopy& copy) {
  auto record = find_running(*place.sandbox, {copy.signals, copy.progress});
  if (!record) return record.error();
  const auto store = storage::ImageStore::open(registry_.folder().path(), data_folders());
  if (!store) return store.error();
  const auto image = store->find_digest(record->image_digest);
  if (!image) return image.error();
  guest::FilesRequest request;
  request.path = place.path;
  request.working_directory = image->manifest.config.working_dir;
  request.user = image->manifest.config.user;
  auto control = connect(record->sandbox_id);
  if (!control) return explain_loss(record->sandbox_id, control.error());
  return FilesEnd(*std::move(record), std::move(request), *std::move(control));
}

Result<FilesCopied> LocalRuntime::copy_files(const FileCopy& copy) {
  if (!copy.from.sandbox && !copy.to.sandbox) {
    return Error{ErrorCode::kOutOfRange, "neither side is in a sandbox", ""};
  }
  if (!copy.from.sandbox) {
    if (auto there = check_source(copy.from); !there) return there.error();
    auto to = reach(copy.to, copy);
    if (!to) return to.error();
    auto sent = send_files(*to, copy);
    return sent ? sent : explain_loss(to->record().sandbox_id, sent.error());
  }
  auto from = reach(copy.from, copy);
  if (!from) return from.error();
  if (!copy.to.sandbox) {
    auto received = receive_files(*from, copy);
    return received ? received : explain_loss(from->record().sandbox_id, received.error());
  }
  auto to = reach(copy.to, copy);
  if (!to) return to.error();
  const auto& [source, destination] = std::pair(from->record(), to->record());
  if (source.sandbox_id == destination.sandbox_id) {
    return Error{ErrorCode::kOutOfRange, "both sides are in sandbox " + handle(source),
                 "copy inside it: tl sbx exec " + handle(source) + " cp -r SRC DEST"};
  }
  auto passed = pass_files(*from, *to, copy);
  if (passed) return passed;
  return explain_loss(source.sandbox_id, explain_loss(destination.sandbox_id, passed.error()));
}

}  // namespace tl
