// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.hpp"
#include "runtime/sandbox/files_end.hpp"
#include "runtime/sandbox/info.hpp"
#include "runtime/sandbox/spec.hpp"

// The transfers of Runtime::copy_files, between ends that are reached. Each blocks until it is done or has
// failed, and then nothing of it runs on; the operation, form and name of the ends' requests are set here.
namespace tl {

// From a path here, or our stdin.
Result<FilesCopied> send_files(FilesEnd& to, const FileCopy& copy);
// To a path here, or our stdout. The sandbox is not trusted (guest/files/unpack.hpp).
Result<FilesCopied> receive_files(FilesEnd& from, const FileCopy& copy);
// Between two sandboxes, which are not the same.
Result<FilesCopied> pass_files(FilesEnd& from, FilesEnd& to, const FileCopy& copy);

}  // namespace tl
