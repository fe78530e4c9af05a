// SPDX-License-Identifier: Apache-2.0
// What tests make images of: threads, locks, signals, event descriptors, shared and private memory, and a
// socket, descriptor 3, over which it is asked one word a line and answers with one line. It ends when the
// socket does. Shared memory is descriptor 8.
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int kSocket = 3;
constexpr int kShared = 8;

std::atomic<int> signals = 0;

void count_signal(int) {
  ++signals;
}

// Waits, on a condition, for numbers, and gives back their sums.
class Adder {
 public:
  Adder() : thread_([this] { work(); }) {}

  long add(long number) {
    std::unique_lock lock(mutex_);
    asked_ = number;
    ++rounds_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return done_ == rounds_; });
    return sum_;
  }

 private:
  void work() {
    ::pthread_setname_np(::pthread_self(), "adder");
    thread_local long own = 0;
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return rounds_ > done_; });
      own += asked_;
      sum_ = own;
      ++done_;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  long asked_ = 0;
  long sum_ = 0;
  int rounds_ = 0;
  int done_ = 0;
  std::thread thread_;
};

// Waits in read(2), which is begun anew.
class Echo {
 public:
  Echo() : there_(::eventfd(0, EFD_CLOEXEC)), back_(::eventfd(0, EFD_CLOEXEC)), thread_([this] { work(); }) {}

  unsigned long ask(unsigned long number) {
    unsigned long answer = 0;
    if (::write(there_, &number, sizeof number) < 0 || ::read(back_, &answer, sizeof answer) < 0) return 0;
    return answer;
  }

 private:
  void work() {
    for (;;) {
      unsigned long number = 0;
      if (::read(there_, &number, sizeof number) < 0) return;
      ++number;
      if (::write(back_, &number, sizeof number) < 0) return;
    }
  }

  int there_;
  int back_;
  std::thread thread_;
};

// Down a stack of that many KiB; the number of its pages that are not what they were made.
int deep(int kib) {
  if (kib <= 0) return 0;
  volatile char page[4096];
  for (volatile char& byte : page) byte = static_cast<char>(kib);
  const int below = deep(kib - 4);
  for (volatile char& byte : page) {
    if (byte != static_cast<char>(kib)) return below + 1;
  }
  return below;
}

// Whether the C library still knows who holds a lock.
const char* check_mutexes() {
  pthread_mutexattr_t kind;
  ::pthread_mutexattr_init(&kind);
  ::pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_t mutex;
  ::pthread_mutex_init(&mutex, &kind);
  if (::pthread_mutex_lock(&mutex) != 0 || ::pthread_mutex_lock(&mutex) != EDEADLK) return "not mine";
  const pid_t owner = mutex.__data.__owner;
  ::pthread_mutex_unlock(&mutex);
  return owner == ::gettid() ? "mine" : "another thread's";
}

// Computes, or makes calls that have their result at once, and never waits: once it is there, for a thread
// begins with a few system calls.
class Spinner {
 public:
  explicit Spinner(bool calls)
      : thread_([this, calls] {
          while (!done_) {
            if (calls) ::getppid();
            ++rounds_;
          }
        }) {
    while (rounds_ == 0) std::this_thread::yield();
  }
  ~Spinner() {
    done_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> done_ = false;
  std::atomic<long> rounds_ = 0;
  std::thread thread_;
};

struct Subject {
  Adder adder;
  Echo echo;
  std::vector<char> heap = std::vector<char>(3 << 20, 'h');
  int signal_descriptor = -1;
  char* shared = nullptr;
  std::unique_ptr<Spinner> spinner;
};

std::string answer(Subject& subject, const std::string& word) {
  if (word == "add") return std::to_string(subject.adder.add(5));
  if (word == "echo") return std::to_string(subject.echo.ask(41));
  if (word == "deep") return std::to_string(deep(6 << 10));
  if (word == "mutex") return check_mutexes();
  if (word == "shared") return subject.shared;
  if (word == "name") {
    char name[16] = {};
    ::prctl(PR_GET_NAME, name);
    return name;
  }
  if (word == "signal") {
    ::raise(SIGUSR1);
    return std::to_string(signals);
  }
  if (word == "signalfd") {
    ::kill(::getpid(), SIGUSR2);
    signalfd_siginfo info{};
    const ssize_t got = ::read(subject.signal_descriptor, &info, sizeof info);
    return got == sizeof info ? std::to_string(info.ssi_signo) : "nothing";
  }
  if (word == "heap") {
    for (const char byte : subject.heap) {
      if (byte != 'h') return "changed";
    }
    std::vector<std::string> more(10000, std::string(1000, 'x'));
    subject.heap.insert(subject.heap.end(), 1 << 20, 'h');
    return std::to_string(subject.heap.size() + more.size());
  }
  if (word == "thread") {
    std::string result;
    std::thread([&] { result = check_mutexes(); }).join();
    return result;
  }
  if (word == "trim") {
    ::malloc_trim(0);  // what the C library had in advance
    { const std::vector<std::string> freed(10000, std::string(1000, 'x')); }
    ::malloc_trim(0);
    const std::vector<std::string> more(10000, std::string(1000, 'y'));
    return std::to_string(more.size());
  }
  if (word == "spin" || word == "call") {
    subject.spinner = std::make_unique<Spinner>(word == "call");
    return "spinning";
  }
  if (word == "rest") {
    subject.spinner.reset();
    return "resting";
  }
  if (word == "exec") {
    ::execl("/bin/true", "true", nullptr);
    return "refused";
  }
  if (word == "pid") return std::to_string(::getpid());
  return "what?";
}

}  // namespace

int main() {
  struct sigaction action = {};
  action.sa_handler = count_signal;
  ::sigaction(SIGUSR1, &action, nullptr);
  sigset_t mask;
  ::sigemptyset(&mask);
  ::sigaddset(&mask, SIGUSR2);
  ::pthread_sigmask(SIG_BLOCK, &mask, nullptr);  // in all threads
  Subject subject;
  subject.signal_descriptor = ::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  subject.shared = static_cast<char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, kShared, 0));
  // A second way to it, as QEMU has.
  const int again = ::open("/proc/self/fd/8", O_RDWR | O_CLOEXEC);
  if (subject.shared == MAP_FAILED || again < 0) return 2;
  std::string line;
  for (;;) {
    char byte = 0;
    const ssize_t got = ::read(kSocket, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) ::_exit(0);
    if (byte != '\n') {
      line += byte;
      continue;
    }
    const std::string text = answer(subject, line) + "\n";
    line.clear();
    if (::write(kSocket, text.data(), text.size()) < 0) ::_exit(1);
  }
}
