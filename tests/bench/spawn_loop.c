// SPDX-License-Identifier: Apache-2.0
// What starting a program costs inside the guest: prints the median microseconds of fork + exec + wait.
//   spawn_loop TIMES PROGRAM
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int compare(const void* a, const void* b) {
  const double difference = *(const double*)a - *(const double*)b;
  return difference < 0 ? -1 : difference > 0;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

int main(int argc, char** argv) {
  const int times = argc == 3 ? atoi(argv[1]) : 0;
  if (times < 1 || times > 10000) return 2;
  double* took = calloc((size_t)times, sizeof *took);
  for (int i = 0; i < times; ++i) {
    const double began = now();
    const pid_t child = fork();
    if (child == 0) {
      execl(argv[2], argv[2], (char*)NULL);
      _exit(127);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) return 1;
    took[i] = now() - began;
  }
  qsort(took, (size_t)times, sizeof *took, compare);
  printf("%.1f\n", took[times / 2]);
  return 0;
}
