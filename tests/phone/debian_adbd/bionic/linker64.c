/* /system/bin/linker64 of an arm64 device whose C library is glibc: what the kernel starts for an Android program.
 *
 * The program itself stays as it is. A copy in memory loses the dynamic tags that glibc's loader would stumble over
 * (symbol versions of bionic, which glibc's libraries do not have; a pre-initialiser array that ends in -1, which
 * libc.c runs instead), and glibc's loader is started on that copy. Built without a C library: as an interpreter it
 * is entered with the program's own auxiliary vector, from which a static glibc would set itself up wrongly.
 *
 * /system/etc/environ holds NAME=VALUE lines that every program gets unless it has the name already: what a phone's
 * init exports to its processes. LD_LIBRARY_PATH stands before the system's folders, as on a phone. */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define LOADER "/usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1"
#define SYSTEM "/system/lib64:/vendor/lib64:/usr/lib/aarch64-linux-gnu"
enum { OPENAT = 56, LSEEK = 62, READ = 63, WRITE = 64, EXIT = 93, EXECVE = 221, MMAP = 222, MEMFD_CREATE = 279 };
enum { PT_DYNAMIC = 2, DT_PREINIT_ARRAY = 32, DT_PREINIT_ARRAYSZ = 33, AT_EXECFN = 31 };
enum { DT_VERSYM = 0x6ffffff0, DT_VERNEED = 0x6ffffffe, DT_VERNEEDNUM = 0x6fffffff, DT_IGNORED = 0x60000f00 };

static long call(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}

static u64 length(const char *text) {
  u64 n = 0;
  while (text[n]) n++;
  return n;
}

static const char *value_of(const char *entry, const char *name) { /* NULL where entry is another name's */
  while (*name && *entry == *name) entry++, name++;
  return !*name && *entry == '=' ? entry + 1 : 0;
}

static void die(const char *program, const char *text) {
  call(WRITE, 2, (long)"linker64: ", 10, 0, 0, 0);
  call(WRITE, 2, (long)program, length(program), 0, 0, 0);
  call(WRITE, 2, (long)text, length(text), 0, 0, 0);
  call(EXIT, 1, 0, 0, 0, 0, 0);
}

static u8 *map_file(const char *path, u64 *size, int writable) { /* a private copy, one byte longer; NULL where absent */
  long fd = call(OPENAT, -100, (long)path, 0, 0, 0, 0);
  if (fd < 0) return 0;
  *size = call(LSEEK, fd, 0, 2, 0, 0, 0);
  long at = call(MMAP, 0, *size + 1, 3, 0x22, -1, 0);
  if (at < 0) return 0;
  call(LSEEK, fd, 0, 0, 0, 0, 0);
  for (u64 done = 0; done < *size;) {
    long got = call(READ, fd, at + done, *size - done, 0, 0, 0);
    if (got <= 0) return 0;
    done += got;
  }
  return (u8 *)at;
}

static void patch(u8 *image) {
  u8 *head = image + *(u64 *)(image + 32);
  int count = *(unsigned short *)(image + 56);
  for (int i = 0; i < count; i++, head += 56) {
    if (*(u32 *)head != PT_DYNAMIC) continue;
    u64 *entry = (u64 *)(image + *(u64 *)(head + 8));
    for (; entry[0]; entry += 2)
      if (entry[0] == DT_VERSYM || entry[0] == DT_VERNEED || entry[0] == DT_VERNEEDNUM ||
          entry[0] == DT_PREINIT_ARRAY || entry[0] == DT_PREINIT_ARRAYSZ)
        entry[0] = DT_IGNORED;
  }
}

static char *append(char *at, const char *text) {
  while (*text) *at++ = *text++;
  *at = 0;
  return at;
}

void begin(long *stack) {
  long argc = stack[0];
  char **argv = (char **)(stack + 1), **envp = argv + argc + 1, **end = envp;
  while (*end) end++;
  long *aux = (long *)(end + 1);
  const char *path = argv[0];
  for (; aux[0]; aux += 2)
    if (aux[0] == AT_EXECFN) path = (const char *)aux[1];

  u64 size, size_of_environ;
  u8 *image = map_file(path, &size, 1);
  if (!image) die(path, ": cannot be read\n");
  patch(image);
  long copy = call(MEMFD_CREATE, (long)"program", 0, 0, 0, 0, 0);
  if (copy < 0) die(path, ": no memory for a copy\n");
  for (u64 done = 0; done < size;) {
    long put = call(WRITE, copy, (long)(image + done), size - done, 0, 0, 0);
    if (put <= 0) die(path, ": no memory for a copy\n");
    done += put;
  }

  char *lines = (char *)map_file("/system/etc/environ", &size_of_environ, 1);
  char **new_env = (char **)call(MMAP, 0, 8 * (end - envp) + 4096, 3, 0x22, -1, 0), **out = new_env;
  const char *given = 0;
  for (char **one = envp; one < end; one++) {
    const char *libraries = value_of(*one, "LD_LIBRARY_PATH");
    if (libraries) given = libraries;
    if (!libraries && !value_of(*one, "LD_PRELOAD")) *out++ = *one; /* what adbd preloads is of another processor */
  }
  for (char *line = lines; line && *line;) {
    char *next = line, name[64];
    while (*next && *next != '\n') next++;
    if (*next) *next++ = 0;
    u64 n = 0;
    while (line[n] && line[n] != '=' && n < 63) name[n] = line[n], n++;
    name[n] = 0;
    int known = 0;
    for (char **one = envp; one < end; one++) known |= value_of(*one, name) != 0;
    if (line[n] == '=' && !known) *out++ = line;
    line = next;
  }
  *out = 0;

  char *libraries = (char *)call(MMAP, 0, (given ? length(given) : 0) + 4096, 3, 0x22, -1, 0), *at = libraries;
  if (given && *given) at = append(append(at, given), ":");
  append(at, SYSTEM);
  char program[32] = "/proc/self/fd/";
  int digits = copy > 99 ? 3 : copy > 9 ? 2 : 1, tail = 14 + digits;
  for (long left = copy; digits--; left /= 10) program[14 + digits] = '0' + left % 10;
  program[tail] = 0;

  char **words = (char **)call(MMAP, 0, 8 * argc + 4096, 3, 0x22, -1, 0), **word = words;
  *word++ = LOADER;
  *word++ = "--library-path";
  *word++ = libraries;
  *word++ = "--argv0";
  *word++ = argv[0];
  *word++ = program;
  for (long i = 1; i < argc; i++) *word++ = argv[i];
  *word = 0;
  call(EXECVE, (long)LOADER, (long)words, (long)new_env, 0, 0, 0);
  die(path, ": " LOADER " cannot be executed\n");
}

__asm__(".globl _start\n_start:\n  mov x0, sp\n  b begin\n");
