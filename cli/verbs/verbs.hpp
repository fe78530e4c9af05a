// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.hpp"

// One function a verb, each in the file of its name.
namespace tl::cli {

Command make_create();
Command make_ls();
Command make_describe();
Command make_name();
Command make_exec();
Command make_run();
Command make_ps();
Command make_kill();
Command make_restart();
Command make_logs();
Command make_ssh();
Command make_pty();
Command make_pty_ls();
Command make_pty_attach();
Command make_pty_rm();
Command make_terminate();
Command make_suspend();
Command make_resume();
Command make_checkpoint();
Command make_checkpoint_ls();
Command make_checkpoint_rm();
Command make_copy();
Command make_cp();
Command make_tunnel();
Command make_port();
Command make_port_ls();
Command make_port_expose();
Command make_port_rm();
Command make_update();
Command make_prune();
Command make_image_ls();
Command make_image_import();
Command make_image_describe();
Command make_image_rm();
Command make_image_create();
Command make_image_create_default();
Command make_image_register();
Command make_image_export();
Command make_doctor();
Command make_version();

}  // namespace tl::cli
