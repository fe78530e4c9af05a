// SPDX-License-Identifier: Apache-2.0
#include "cli/creation_flags.hpp"

#include "cli/network_flags.hpp"
#include "cli/values.hpp"

namespace tl::cli {

void add_creation_flags(Command& command, CreateRequest& request,
                        const std::vector<std::string>& image_names) {
  command.flags.push_back(
      {.names = {"-c", "--cpus"},
       .value = "F",
       .help = "CPUs, more than 0 and at most 64; a fraction is a real limit (default 1.0)",
       .set = store_decimal(request.cpus)});
  command.flags.push_back({.names = {"-m", "--memory"},
                           .value = "MB",
                           .help =
                               "memory in MB, 1024 to 8192 for each CPU, fractions rounded up (default 1024 "
                               "for each)",
                           .set = store_whole(request.memory_mb)});
  command.flags.push_back(
      {.names = {"--disk_mb", "--disk-mb"},
       .value = "MB",
       .help = "size of the disk in MiB, 10240 to 102400 (default 10240, or the snapshot's)",
       .set = store_whole(request.disk_mb)});
  command.flags.push_back({.names = image_names,
                           .value = "NAME",
                           .help = "image to start from (default 'default')",
                           .set = store(request.image),
                           .completes = Completes::kImage});
  command.flags.push_back({.names = {"-s", "--snapshot"},
                           .value = "ID",
                           .help =
                               "snapshot to start from instead of an image, by ID or name; a memory snapshot "
                               "has its own CPUs, memory and disk",
                           .set = store(request.snapshot),
                           .completes = Completes::kSnapshot});
  add_network_flags(command, request.network);
  command.flags.push_back(
      {.names = {"-x", "--expose"},
       .value = "PORT",
       .help = "hold this port of the sandbox open on 127.0.0.1 here (see 'tl sbx port'); may "
               "be given several times",
       .set = append_whole(request.exposed_ports),
       .repeats = Flag::Repeats::kMany});
  command.flags.push_back(
      {.names = {"--accel"},
       .value = "auto|kvm|tcg",
       .help = "what runs the machine: kvm is hardware virtualization, tcg is software emulation "
               "(default auto: the best that works)",
       .set = choose_word(request.accelerator, {{"auto", AcceleratorChoice::kAuto},
                                                {"kvm", AcceleratorChoice::kKvm},
                                                {"tcg", AcceleratorChoice::kTcg}})});
  command.flags.push_back(
      {.names = {"--no-template"},
       .value = "",
       .help = "boot in any case, rather than go on from a machine that was saved when it had just booted",
       .set = choose(request.template_use, TemplateUse::kNever)});
}

}  // namespace tl::cli
