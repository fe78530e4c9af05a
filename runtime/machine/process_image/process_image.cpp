// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/process_image/process_image.hpp"

#include "runtime/machine/process_image/image_file.hpp"
#include "runtime/machine/process_image/image_host.hpp"
#include "runtime/machine/process_image/image_writer.hpp"
#include "runtime/machine/process_image/stopped_process.hpp"

namespace tl::machine {

Result<void> write_process_image(pid_t pid, const ProcessImageSpec& spec, int file) {
  const auto process = StoppedProcess::stop(pid);
  if (!process) return process.error();
  return write_image(*process, spec, file);
}

Result<void> check_process_image(int file) {
  const auto note = read_note(file);
  if (!note) return note.error();
  const auto host = image_host_from(*note);
  if (!host) return host.error();
  return check_is_here(*host);
}

}  // namespace tl::machine
