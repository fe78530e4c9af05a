# SPDX-License-Identifier: Apache-2.0
"""OpenSSH's server in a sandbox, brought there from this host: `ssh --config` starts it."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from support import environment, packages

# What a sandbox needs to be reached; the image is of this machine's release, so what is linked here runs there.
_SERVER = ("usr/sbin/sshd", "usr/lib/openssh/sftp-server", "etc/pam.d/sshd")
_CONFIGURATION = "UsePAM yes\nSubsystem sftp /usr/lib/openssh/sftp-server\n"
_USER = "getent passwd sshd || useradd --system --home /run/sshd --shell /usr/sbin/nologin sshd"


def _find_server():
    """The root of a tree with an SSH server in it."""
    if os.access("/usr/sbin/sshd", os.X_OK):
        return pathlib.Path("/")
    return packages.unpacked("openssh-server", "openssh-sftp-server")


def _libraries_of(program):
    listed = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    environment.require_host("not found" not in listed, f"{program} lacks libraries here")
    return [word for line in listed.splitlines() for word in line.split() if word.startswith("/")]


def _archive(folder):
    """A tar with the server, OpenSSH's key generator and rsync, and what they are linked with."""
    root, tree = _find_server(), pathlib.Path(folder, "tree")
    files = {tree / path: root / path for path in _SERVER}
    files.update({tree / "usr/bin" / name: pathlib.Path(shutil.which(name)) for name in ("rsync", "ssh-keygen")})
    for program in [path for target, path in files.items() if "etc" not in target.parts]:
        for library in _libraries_of(program):
            files[tree / "usr" / os.path.realpath(library).removeprefix("/").removeprefix("usr/")] = pathlib.Path(library)
            files[tree / "usr/lib/x86_64-linux-gnu" / os.path.basename(library)] = pathlib.Path(library)
    for target, path in files.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (tree / "etc/ssh").mkdir()
    (tree / "etc/ssh/sshd_config").write_text(_CONFIGURATION)
    words = ["tar", "-c", "--owner=0", "--group=0", "-C", tree, "usr", "etc"]
    return subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout


def install(tl, sandbox):
    with tempfile.TemporaryDirectory() as folder:
        server = _archive(folder)
    # What the guest has already is newer or the same, and in use.
    words = ("--user", "root", "-i", "--", "tar", "-x", "--keep-old-files", "--warning=none", "-C", "/")
    tl.sbx("exec", sandbox, *words, stdin=server)
    tl.shell(sandbox, f"ldconfig; {_USER}")
