// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
// What the kernel knows about our machines beyond Debian's source; build.sh adds this file to
// arch/x86/kernel/.
//
// machine_clocks=TSC_KHZ,APIC_KHZ tells how fast the two clocks count. Without it a kernel that finds neither
// kvmclock nor a TSC deadline timer measures them against the PIT, waiting 0.3 s for real time to pass, and
// still errs by up to 500 parts a million. The machine that starts the kernel knows both. The TSC then is the
// clock from the first moment on: ticks, by which a kernel tells the time until it has chosen a clock, are
// lost while it patches itself with interrupts off, and its clocks would be late for good by as much.
//
// Reboot, power off and halt all end in a triple fault: there are no firmware tables that would say how else
// the power is switched off, and a processor that only stops would keep its machine.
#include <asm/apic.h>
#include <asm/cpufeature.h>
#include <asm/emergency-restart.h>
#include <asm/reboot.h>
#include <asm/time.h>
#include <asm/tsc.h>
#include <asm/x86_init.h>
#include <linux/clocksource.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/pm.h>
#include <linux/reboot.h>

static unsigned long machine_tsc_khz;

static unsigned long calibrate_by_machine(void) {
  return machine_tsc_khz;
}

static u64 read_first_clock(struct clocksource* clock) {
  return (u64)rdtsc_ordered();
}

static struct clocksource first_clock = {
    .name = "machine",
    .rating = 1,
    .read = read_first_clock,
    .mask = CLOCKSOURCE_MASK(64),
    .flags = CLOCK_SOURCE_IS_CONTINUOUS,
    .owner = THIS_MODULE,
};

// The first moment at which clocks can be changed.
static void __init start_first_clock(void) {
  hpet_time_init();
  __clocksource_update_freq_khz(&first_clock, machine_tsc_khz);
  timekeeping_notify(&first_clock);
}

static int __init machine_clocks(char* arg) {
  unsigned int tsc, apic;

  if (!arg || sscanf(arg, "%u,%u", &tsc, &apic) != 2 || !tsc || !apic) return -EINVAL;
  machine_tsc_khz = tsc;
  x86_platform.calibrate_cpu = calibrate_by_machine;
  x86_platform.calibrate_tsc = calibrate_by_machine;
  x86_init.timers.timer_init = start_first_clock;
  setup_force_cpu_cap(X86_FEATURE_TSC_KNOWN_FREQ);
  lapic_timer_period = apic * (1000 / HZ);
  return 0;
}
early_param("machine_clocks", machine_clocks);

static void end_machine(void) {
  machine_emergency_restart();
}

static int __init machine_ends_at_once(void) {
  reboot_type = BOOT_TRIPLE;
  pm_power_off = end_machine;
  machine_ops.halt = end_machine;
  return 0;
}
core_initcall(machine_ends_at_once);
