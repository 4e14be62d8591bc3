/* The part of libc.so that maps Android's standard streams: there stdin, stdout and stderr are addresses within the
 * array __sF, three FILEs of 152 bytes, which a program compiled for Android hands to every function of stdio. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

char __sF[3][152];

static FILE *true_one(FILE *file) {
  size_t offset = (char *)file - &__sF[0][0];
  if (offset >= sizeof __sF) return file;
  return offset < 152 ? stdin : offset < 304 ? stdout : stderr;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define MAPPED(type, name, parameters, ...)            \
  type name parameters {                               \
    static __typeof__(&name) real;                     \
    if (!real) real = REAL(name);                      \
    return real(__VA_ARGS__);                          \
  }

MAPPED(int, fputs, (const char *text, FILE *file), text, true_one(file))
MAPPED(int, fputc, (int c, FILE *file), c, true_one(file))
MAPPED(int, getc, (FILE *file), true_one(file))
MAPPED(int, ungetc, (int c, FILE *file), c, true_one(file))
MAPPED(size_t, fwrite, (const void *data, size_t size, size_t n, FILE *file), data, size, n, true_one(file))
MAPPED(size_t, fread, (void *data, size_t size, size_t n, FILE *file), data, size, n, true_one(file))
MAPPED(int, fflush, (FILE *file), file ? true_one(file) : NULL)
MAPPED(int, fclose, (FILE *file), true_one(file))
MAPPED(int, fileno, (FILE *file), true_one(file))
MAPPED(int, fseek, (FILE *file, long offset, int from), true_one(file), offset, from)
MAPPED(int, fseeko, (FILE *file, off_t offset, int from), true_one(file), offset, from)
MAPPED(off_t, ftello, (FILE *file), true_one(file))
MAPPED(int, vfprintf, (FILE *file, const char *format, va_list arguments), true_one(file), format, arguments)

int fprintf(FILE *file, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int count = vfprintf(file, format, arguments);
  va_end(arguments);
  return count;
}

int fscanf(FILE *file, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int count = vfscanf(true_one(file), format, arguments);
  va_end(arguments);
  return count;
}
