// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/default_image_recipe.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tl::storage {
namespace {

// Runs on the host (in mmdebstrap's user namespace when not root), so every path begins with "$root", and an
// empty one ends it: these are names of the host's own files, too.
constexpr const char* kCustomizeScript = R"script(set -eu
root=${1:?the folder of the image}
[ "$(realpath "$root")" != / ]

chroot "$root" groupadd --gid 1000 tl-user
chroot "$root" useradd --uid 1000 --gid 1000 --create-home --shell /bin/bash tl-user
echo 'tl-user ALL=(ALL:ALL) NOPASSWD: ALL' > "$root/etc/sudoers.d/tl-user"
chmod 0440 "$root/etc/sudoers.d/tl-user"
mkdir -p "$root/workspace"
chown 1000:1000 "$root/workspace"

# New files: what mmdebstrap brought in has the modes of the host's, and nothing is written through a link.
rm -f "$root/etc/hostname" "$root/etc/hosts" "$root/etc/resolv.conf" "$root/etc/machine-id" "$root/etc/default/locale"
echo tl-sbx > "$root/etc/hostname"
echo '# Written when the sandbox starts.' > "$root/etc/resolv.conf"
cat > "$root/etc/hosts" <<'END'
127.0.0.1 localhost
127.0.1.1 tl-sbx
::1 localhost ip6-localhost ip6-loopback
ff02::1 ip6-allnodes
ff02::2 ip6-allrouters
END
: > "$root/etc/machine-id"
echo 'LANG=C.UTF-8' > "$root/etc/default/locale"

if [ ! -e "$root/sbin/poweroff" ] && [ ! -L "$root/sbin/poweroff" ]; then
  cat > "$root/sbin/poweroff" <<'END'
#!/bin/sh
# PID 1 is the sandbox's agent: USR1 halts, USR2 powers off, TERM reboots.
action=${0##*/}
if [ "$action" = shutdown ]; then
  action=poweroff
  for option; do
    case $option in
      -r | --reboot) action=reboot ;;
      -H | --halt) action=halt ;;
      -c) exit 0 ;;
    esac
  done
fi
case $action in
  reboot) signal=TERM ;;
  halt) signal=USR1 ;;
  *) signal=USR2 ;;
esac
kill -"$signal" 1
END
  chmod 0755 "$root/sbin/poweroff"
  for name in halt reboot shutdown; do ln -s poweroff "$root/sbin/$name"; done
fi

rm -rf "$root"/var/log/apt/* "$root/var/log/alternatives.log" "$root/var/log/bootstrap.log" \
  "$root/var/log/dpkg.log" "$root"/var/cache/apt/*.bin "$root"/var/cache/debconf/*-old \
  "$root"/var/lib/dpkg/*-old "$root/var/cache/ldconfig/aux-cache"
)script";

}  // namespace

DefaultImageRecipe default_image_recipe(HostRelease release, std::string apt_sources) {
  DefaultImageRecipe recipe{.release = std::move(release), .apt_sources = std::move(apt_sources)};
  recipe.packages = {"ca-certificates",
                     "curl",
                     "git",
                     "iproute2",
                     "less",
                     "nano",
                     "netbase",
                     "procps",
                     "python3",
                     "python3-pip",
                     "python3-venv",
                     "python-is-python3",
                     "sudo",
                     "unzip",
                     "xz-utils"};
  recipe.dpkg_options = {"path-exclude=/usr/share/doc/*",    "path-include=/usr/share/doc/*/copyright",
                         "path-exclude=/usr/share/info/*",   "path-exclude=/usr/share/lintian/*",
                         "path-exclude=/usr/share/locale/*", "path-include=/usr/share/locale/locale.alias",
                         "path-exclude=/usr/share/man/*"};
  recipe.customize_script = kCustomizeScript;
  recipe.config.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"};
  recipe.config.working_dir = "/workspace";
  recipe.config.user = "tl-user";
  recipe.config.cmd = {"/bin/bash"};
  return recipe;
}

std::vector<std::string> mmdebstrap_command(const DefaultImageRecipe& recipe) {
  std::vector<std::string> command = {"mmdebstrap", "--mode=auto", "--variant=minbase", "--format=tar",
                                      // Every source names its keyring; the search for one leaves a folder
                                      // behind when it is interrupted.
                                      "--skip=check/signed-by",
                                      fmt::format("--include={}", fmt::join(recipe.packages, ","))};
  for (const auto& option : recipe.dpkg_options) command.push_back("--dpkgopt=" + option);
  command.push_back("--customize-hook=" + recipe.customize_script);
  command.insert(command.end(), {recipe.release.codename, "-", "-"});
  return command;
}

std::string describe_recipe(const DefaultImageRecipe& recipe) {
  return fmt::format("default image of {} {}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n", recipe.release.id,
                     recipe.release.codename, recipe.apt_sources, fmt::join(recipe.packages, " "),
                     fmt::join(recipe.dpkg_options, " "), recipe.customize_script,
                     fmt::join(recipe.config.env, " "), recipe.config.working_dir, recipe.config.user);
}

}  // namespace tl::storage
