# SPDX-License-Identifier: Apache-2.0
"""What a sandbox is from the inside: a Linux machine of its own."""

import pathlib
import time

from support import cases


OVERLAY = """
mount -t tmpfs layers /mnt; cd /mnt; mkdir lower upper work merged; echo low > lower/file
mount -t overlay both -o lowerdir=lower,upperdir=upper,workdir=work merged; cat merged/file
"""
NETWORK = """
ip link add e2e0 type bridge; ip link add e2e1 type veth peer name e2e2; ip link set e2e1 master e2e0
ip link del e2e1; ip link del e2e0
"""
LOOP = "truncate -s 1M /tmp/l; device=$(losetup -f --show /tmp/l); losetup -d $device; echo $device"
CONNECT = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(socket.create_connection(listener.getsockname()).getpeername()[0])
"""


class Identity(cases.GuestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.first = cls.tl.create()
        cls.second = cls.tl.create("second-one")

    def both(self, script):
        return self.tl.shell(self.first, script), self.tl.shell(self.second, script)

    def test_the_kernel_is_its_own(self):
        boot_id = "/proc/sys/kernel/random/boot_id"
        self.assertEqual(len({*self.both(f"cat {boot_id}"), pathlib.Path(boot_id).read_text().strip()}), 3)
        self.assertRegex(self.tl.shell(self.first, "uname -r"), r"^[6-9]\.")

    def test_the_hostname_is_the_name_or_tl_sbx(self):
        self.assertEqual(self.both("hostname"), ("tl-sbx", "second-one"))
        self.assertEqual(self.both("getent hosts $(hostname) > /dev/null && echo known"), ("known", "known"))

    def test_the_machine_id_is_unique(self):
        ids = self.both("cat /etc/machine-id")
        for machine_id in ids:
            self.assertRegex(machine_id, "^[0-9a-f]{32}$")
        self.assertNotEqual(*ids)

    def test_the_clock_is_right(self):
        for sandbox in (self.first, self.second):
            before = time.time()
            inside = float(self.tl.shell(sandbox, "date +%s.%N"))
            self.assertGreater(inside, before - 2)
            self.assertLess(inside, time.time() + 2)

    def test_random_numbers_are_there_from_the_start_and_differ(self):
        self.assertEqual(self.both("cat /proc/sys/kernel/random/entropy_avail"), ("256", "256"))
        self.assertNotEqual(*self.both("head -c 32 /dev/random | od -An -tx1"))

    def test_what_one_writes_the_other_does_not_see(self):
        self.tl.shell(self.first, "echo mine > /opt/mine; sync")
        self.assertEqual(self.tl.exec(self.second, "test", "-e", "/opt/mine").code, 1)


class Inside(cases.SandboxCase):
    def test_tl_user_may_do_everything_without_a_password(self):
        self.assertEqual(self.exec("sudo", "-n", "id", "-u").text, "0")
        self.assertEqual(self.shell("getent passwd tl-user").split(":")[2:7:3], ["1000", "/home/tl-user"])
        script = "echo x > /workspace/x && echo y > $HOME/y && cat /workspace/x $HOME/y"
        self.assertEqual(self.exec("sh", "-c", script).lines, ["x", "y"])

    def test_the_tools_are_there(self):
        for tool in ("python3", "python", "git", "curl", "ps", "less", "sudo", "ip"):
            with self.subTest(tool=tool):
                self.assertEqual(self.exec(tool, "-V" if tool == "ip" else "--version").code, 0)
        self.assertEqual(self.exec("test", "-s", "/etc/ssl/certs/ca-certificates.crt").code, 0)
        self.assertEqual(self.exec("python3", "-c", "import ssl, sqlite3, json; print(6 * 7)").text, "42")

    def test_apt_and_dpkg_are_in_working_order(self):
        self.assertEqual(self.shell("dpkg --audit"), "")
        self.assertEqual(self.exec("apt-get", "--version").code, 0)

    def test_owners_modes_and_devices_of_the_image_are_right(self):
        facts = "stat -c '%n %U:%G %a %F' /usr/bin/sudo /etc/shadow /tmp /dev/null /root"
        self.assertEqual(
            self.shell(facts).splitlines(),
            [
                "/usr/bin/sudo root:root 4755 regular file",
                "/etc/shadow root:shadow 640 regular file",
                "/tmp root:root 1777 directory",
                "/dev/null root:root 666 character special file",
                "/root root:root 700 directory",
            ],
        )
        owners = self.shell("stat -c %U:%G /home/tl-user /workspace").split()
        self.assertEqual(owners, ["tl-user:tl-user", "tl-user:tl-user"])

    def test_the_usual_file_systems_are_mounted(self):
        mounts = dict(line.split()[1:3] for line in self.shell("cat /proc/mounts").splitlines())
        expected = {"/": "ext4", "/proc": "proc", "/sys": "sysfs", "/sys/fs/cgroup": "cgroup2"}
        expected.update({"/run": "tmpfs", "/dev": "devtmpfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs"})
        self.assertEqual({point: mounts.get(point) for point in expected}, expected)
        self.assertEqual(self.shell("readlink /dev/fd /dev/stdin"), "/proc/self/fd\n/proc/self/fd/0")

    def test_the_kernel_runs_what_people_run_inside(self):
        known = self.shell("cat /proc/filesystems").split()
        for name in ("overlay", "fuse", "cgroup2", "bpf", "tmpfs"):
            self.assertIn(name, known)
        self.assertEqual(self.exec("unshare", "-Urmpf", "id", "-u").text, "0")
        self.assertEqual(self.shell(f"unshare -m sh -ec '{OVERLAY}'"), "low")
        self.shell(f"set -e; {NETWORK}")
        self.assertRegex(self.shell(f"set -e; {LOOP}"), "^/dev/loop")
        self.assertEqual(self.shell("cat /proc/sys/kernel/io_uring_disabled"), "0")
        self.assertIn("errno", self.shell("cat /proc/sys/kernel/seccomp/actions_avail"))
        self.assertEqual(self.exec("test", "-c", "/dev/fuse").code, 0)
        self.assertEqual(self.exec("test", "-c", "/dev/net/tun").code, 0)

    def test_the_loopback_interface_is_up(self):
        self.assertEqual(self.exec("python3", "-c", CONNECT).text, "127.0.0.1")

    def test_files_survive_sync_and_cache_drop(self):
        self.shell("head -c 30000000 /dev/urandom > /root/data")
        before = self.shell("sha256sum /root/data")
        self.shell("sync; echo 3 > /proc/sys/vm/drop_caches")
        self.assertEqual(self.shell("sha256sum /root/data"), before)
        self.shell("rm /root/data; sync")

    def test_the_kernel_log_has_no_trouble_to_tell(self):
        log = self.shell("dmesg")
        for word in ("BUG:", "Oops", "WARNING:", "Call Trace", "EXT4-fs error", "I/O error"):
            self.assertNotIn(word, log)


class Resources(cases.GuestCase):
    def test_a_sandbox_has_what_it_was_given(self):
        big = self.tl.create("--cpus", "1.5", "--memory", "2100", "--disk_mb", "20480")
        resources = {"cpus": 1.5, "memory_mb": 2100, "disk_mb": 20480}
        self.assertEqual(self.tl.describe(big)["resources"], resources)
        self.assertEqual(self.tl.shell(big, "nproc"), "2", "1.5 CPUs are two that share one and a half")
        self.assertMemory(big, 2100)
        self.assertDisk(big, 20480)
        self.assertEqual(self.tl.shell(big, "fallocate -l 12G /big && stat -c %s /big"), str(12 << 30))

    def test_the_defaults_are_one_cpu_1024_mb_and_10_gib(self):
        small = self.tl.create()
        self.assertEqual(self.tl.shell(small, "nproc"), "1")
        self.assertMemory(small, 1024)
        self.assertDisk(small, 10240)

    def test_a_fraction_of_a_cpu_is_a_real_limit(self):
        half = self.tl.create("-c", "0.5")
        self.tl.shell(half, "sleep 8001 & (while :; do :; done) > /dev/null 2>&1 &")
        machine = max(self.tl.processes(), key=lambda process: process.resident_kib())
        before, began = cpu_seconds(machine.pid), time.monotonic()
        time.sleep(5)
        used = (cpu_seconds(machine.pid) - before) / (time.monotonic() - began)
        self.assertLess(used, 0.75, "CPU seconds a second of the machine")
        self.tl.ok("terminate", half)

    def assertMemory(self, sandbox, megabytes):
        total = int(self.tl.shell(sandbox, "awk '/^MemTotal/ { print $2 }' /proc/meminfo")) / 1024
        self.assertGreater(total, megabytes * 0.88)
        self.assertLessEqual(total, megabytes)

    def assertDisk(self, sandbox, megabytes):
        total = int(self.tl.shell(sandbox, "df -B1M --output=size / | tail -1"))
        self.assertGreater(total, megabytes * 0.9)
        self.assertLessEqual(total, megabytes)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


if __name__ == "__main__":
    cases.main()
