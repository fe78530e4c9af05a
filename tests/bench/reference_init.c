// SPDX-License-Identifier: Apache-2.0
// The init of the plain QEMU that `tl` is measured against. Freestanding, so that it adds almost nothing to
// the initramfs of tl that it is packed with.
//
//   no argument   writes one byte (1) to the console and waits to be killed
//   stream        waits for the host at a virtio-serial port and writes STREAM_BYTES zeros to it
//   upload        connects to 192.0.2.1:7170 and writes TRANSFER_BYTES zeros to it
//   download      connects to 192.0.2.1:7170 and reads from it to the end
//
// The last two are also for a process in a sandbox: only as an init they set the network card up first, as
// QEMU's manual says of `-netdev user`.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/in.h>
#include <linux/reboot.h>
#include <linux/route.h>
#include <linux/sockios.h>
#include <sys/syscall.h>

#define ADDRESS(a, b, c, d) ((unsigned)(a) | (unsigned)(b) << 8 | (unsigned)(c) << 16 | (unsigned)(d) << 24)

enum { kStreamSocket = 1, kPort = 7170 };

static char buffer[65536];

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

// False when the other side does not take it all.
static int write_zeros(long file, long bytes) {
  while (bytes > 0) {
    const long length = bytes < (long)sizeof buffer ? bytes : (long)sizeof buffer;
    const long written = call(SYS_write, file, (long)buffer, length, 0, 0);
    if (written <= 0) return 0;
    bytes -= written;
  }
  return 1;
}

static void stream(void) {
  call(SYS_mount, (long)"devtmpfs", (long)"/dev", (long)"devtmpfs", 0, 0);
  const long port = call(SYS_open, (long)"/dev/vport0p1", O_RDWR, 0, 0, 0);
  char go;
  if (port < 0 || call(SYS_read, port, (long)&go, 1, 0, 0) != 1) {
    say("!");
    reset();
  }
  write_zeros(port, STREAM_BYTES);
  // Closing throws away what the host has not taken yet; it says when it has everything.
  call(SYS_read, port, (long)&go, 1, 0, 0);
  reset();
}

static struct sockaddr_in address_of(unsigned address) {
  return (struct sockaddr_in){.sin_family = 2, .sin_addr.s_addr = address};
}

static int set_up_card(void) {
  const long handle = call(SYS_socket, 2, kStreamSocket, 0, 0, 0);
  struct ifreq request = {.ifr_name = "eth0"};
  *(struct sockaddr_in*)&request.ifr_addr = address_of(ADDRESS(10, 0, 2, 15));
  if (call(SYS_ioctl, handle, SIOCSIFADDR, (long)&request, 0, 0) != 0) return 0;
  *(struct sockaddr_in*)&request.ifr_addr = address_of(ADDRESS(255, 255, 255, 0));
  if (call(SYS_ioctl, handle, SIOCSIFNETMASK, (long)&request, 0, 0) != 0) return 0;
  request.ifr_flags = IFF_UP;
  if (call(SYS_ioctl, handle, SIOCSIFFLAGS, (long)&request, 0, 0) != 0) return 0;
  struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
  *(struct sockaddr_in*)&route.rt_dst = address_of(0);
  *(struct sockaddr_in*)&route.rt_genmask = address_of(0);
  *(struct sockaddr_in*)&route.rt_gateway = address_of(ADDRESS(10, 0, 2, 2));
  return call(SYS_ioctl, handle, SIOCADDRT, (long)&route, 0, 0) == 0;
}

static int transfer(int up) {
  const long connection = call(SYS_socket, 2, kStreamSocket, 0, 0, 0);
  struct sockaddr_in there = address_of(ADDRESS(192, 0, 2, 1));
  there.sin_port = __builtin_bswap16(kPort);
  if (call(SYS_connect, connection, (long)&there, sizeof there, 0, 0) != 0) return 0;
  // The other side closes when it has everything: what is on its way is lost with this machine.
  if (up && (!write_zeros(connection, TRANSFER_BYTES) || call(SYS_shutdown, connection, 1, 0, 0, 0) != 0))
    return 0;
  long got;
  while ((got = call(SYS_read, connection, (long)buffer, sizeof buffer, 0, 0)) > 0) {
  }
  return got == 0;
}

__attribute__((used)) static void run(const long* stack) {
  const char first = stack[0] > 1 ? *(const char*)stack[2] : '\0';
  const int is_init = call(SYS_getpid, 0, 0, 0, 0, 0) == 1;
  if (first == 's') stream();
  if (first == 'u' || first == 'd') {
    const int done = (!is_init || set_up_card()) && transfer(first == 'u');
    if (!is_init) call(SYS_exit_group, !done, 0, 0, 0, 0);
    if (!done) say("!");
    reset();
  }
  say("\1");
  for (;;) call(SYS_pause, 0, 0, 0, 0, 0);
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall run\n");
