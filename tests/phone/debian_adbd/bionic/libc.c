/* libc.so of an arm64 device: what Android's C library has and glibc, which does all the rest, has not or has otherwise.
 *
 * Its symbols carry bionic's version LIBC (libc.map), so that Debian's own libraries, which ask for glibc's versions,
 * never meet them. Covers what Google's benchmark_model calls; one that is missing is an error when it is started.
 * Sources of the differences: bionic's headers (stdio.h, sys/sysconf.h, malloc.h, pthread_types.h) and the arm64 ABI. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Compilers for Android read the stack guard 40 bytes above the thread pointer. With glibc the first thread-local
 * block lies there: this one, as this library is the first that has any; nobody writes it. */
__thread char pad_for_stack_guard[128] __attribute__((aligned(16), tls_model("initial-exec"), used));

/* -- start and end */

typedef void (*function)(int, char **, char **);
struct structors { function *preinit, *init, *fini; };

static void run(function *one, int argc, char **argv, char **envp) {
  for (; one && *one; one++)
    if (*one != (function)-1) (*one)(argc, argv, envp);
}

void __libc_init(long *raw, void (*at_exit)(void), int (*program)(int, char **, char **), struct structors *arrays) {
  int argc = raw[0];
  char **argv = (char **)(raw + 1), **envp = argv + argc + 1;
  run(arrays->preinit, argc, argv, envp);
  run(arrays->init, argc, argv, envp);
  exit(program(argc, argv, envp));
}

void android_set_abort_message(const char *text) { fprintf(stderr, "%s\n", text); }

/* -- Android's log: a phone keeps it in memory, for logcat, and prints nothing */

int __android_log_write(int priority, const char *tag, const char *text) { return 1; }
int __android_log_print(int priority, const char *tag, const char *format, ...) { return 1; }
int __android_log_vprint(int priority, const char *tag, const char *format, va_list arguments) { return 1; }

/* -- small ones */

int __system_property_get(const char *name, char *value) {
  if (!strcmp(name, "ro.build.version.sdk")) {
    const char *text = getenv("ANDROID_SDK_LEVEL"); /* benchmark_model asks for nothing else */
    return strlen(strcpy(value, text ? text : ""));
  }
  *value = 0;
  return 0;
}

int *__errno(void) { return __errno_location(); }
size_t __strlen_chk(const char *text, size_t size) { return strlen(text); }
int __xpg_strerror_r(int, char *, size_t);
int posix_strerror_r(int number, char *text, size_t size) __asm__("strerror_r"); /* glibc's own of that name is GNU's */
int posix_strerror_r(int number, char *text, size_t size) { return __xpg_strerror_r(number, text, size); }

long sysconf(int name) {
  static long (*real)(int);
  static const struct { int bionic, glibc; } names[] = {
      {0x0006, _SC_CLK_TCK},          {0x0027, _SC_PAGESIZE},   {0x0028, _SC_PAGESIZE},   {0x0060, _SC_NPROCESSORS_CONF},
      {0x0061, _SC_NPROCESSORS_ONLN}, {0x0062, _SC_PHYS_PAGES}, {0x0063, _SC_AVPHYS_PAGES}};
  if (!real) real = dlsym(RTLD_NEXT, "sysconf");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i].bionic == name) return real(names[i].glibc);
  errno = EINVAL;
  return -1;
}

struct bionic_mallinfo { size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost; };
struct bionic_mallinfo bionic_mallinfo(void) __asm__("mallinfo");
struct bionic_mallinfo bionic_mallinfo(void) {
  struct mallinfo2 now = mallinfo2();
  return (struct bionic_mallinfo){.arena = now.arena, .hblkhd = now.hblkhd, .uordblks = now.uordblks, .fordblks = now.fordblks};
}

/* -- types that are larger in glibc: a caller compiled for Android gives less room than glibc would write */

int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes) { /* 40 bytes there, 48 here */
  memset(mutex, 0, 40);
  return 0;
}

int bionic_sigfillset(uint64_t *set) __asm__("sigfillset"); /* 8 bytes there, 128 here */
int bionic_sigfillset(uint64_t *set) {
  *set = ~0ull;
  return 0;
}

int bionic_sigmask(int how, const uint64_t *set, uint64_t *old) __asm__("pthread_sigmask");
int bionic_sigmask(int how, const uint64_t *set, uint64_t *old) {
  return syscall(SYS_rt_sigprocmask, how, set, old, sizeof *set) ? errno : 0;
}
