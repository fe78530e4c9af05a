// SPDX-License-Identifier: Apache-2.0
// The init of the plain QEMU that `tl` is measured against. Freestanding, so that it adds almost nothing to
// the initramfs of tl that it is packed with.
//
//   no argument   writes one byte (1) to the console and waits to be killed
//   stream        waits for the host at a virtio-serial port and writes STREAM_BYTES zeros to it
#include <fcntl.h>
#include <linux/reboot.h>
#include <sys/syscall.h>

static long call(long number, long a, long b, long c, long d, long e) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return result;
}

static void say(const char* letter) {
  call(SYS_write, 1, (long)letter, 1, 0, 0);
}

static void reset(void) {
  call(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART, 0, 0);
}

static void stream(void) {
  static char zeros[65536];
  call(SYS_mount, (long)"devtmpfs", (long)"/dev", (long)"devtmpfs", 0, 0);
  const long port = call(SYS_open, (long)"/dev/vport0p1", O_RDWR, 0, 0, 0);
  char go;
  if (port < 0 || call(SYS_read, port, (long)&go, 1, 0, 0) != 1) {
    say("!");
    reset();
  }
  for (long left = STREAM_BYTES; left > 0;) {
    const long length = left < (long)sizeof zeros ? left : (long)sizeof zeros;
    const long written = call(SYS_write, port, (long)zeros, length, 0, 0);
    if (written <= 0) break;
    left -= written;
  }
  // Closing throws away what the host has not taken yet; it says when it has everything.
  call(SYS_read, port, (long)&go, 1, 0, 0);
  reset();
}

__attribute__((used)) static void run(const long* stack) {
  if (stack[0] > 1) stream();
  say("\1");
  for (;;) call(SYS_pause, 0, 0, 0, 0, 0);
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall run\n");
