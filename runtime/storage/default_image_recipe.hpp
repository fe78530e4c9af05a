// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "runtime/storage/default_image_apt.hpp"
#include "runtime/storage/image_manifest.hpp"

namespace tl::storage {

// Everything that makes the default image what it is; the image's digest is taken over all of it.
struct DefaultImageRecipe {
  HostRelease release;
  std::string apt_sources;                // deb822; also what apt uses inside
  std::vector<std::string> packages;      // beyond the distribution's minimum
  std::vector<std::string> dpkg_options;  // what of the packages is left out: manuals, translations
  std::string customize_script;  // sh, run by mmdebstrap with the root as $1 when the packages are in
  ImageConfig config;
};

// The user tl-user (1000:1000, sudo without a password), /workspace, UTF-8, python3, git, curl and the like.
// Where the distribution brings no poweroff, halt, reboot and shutdown, small ones tell the agent, which is
// PID 1, by signal as sysvinit's and busybox' do: USR1 halt, USR2 power off, TERM reboot.
DefaultImageRecipe default_image_recipe(HostRelease release, std::string apt_sources);

// The arguments for mmdebstrap, which reads apt_sources from stdin and writes a tar to stdout.
std::vector<std::string> mmdebstrap_command(const DefaultImageRecipe& recipe);

// A text that changes when the image would.
std::string describe_recipe(const DefaultImageRecipe& recipe);

}  // namespace tl::storage
