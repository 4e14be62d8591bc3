/* libOpenCL.so of an arm64 device: Khronos' loader, which it needs, with every device answering for a GPU. The GPU
 * delegate asks for GPUs, and what computes here is a processor. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

int32_t clGetDeviceIDs(void *platform, uint64_t kind, uint32_t room, void **devices, uint32_t *count) {
  static int32_t (*real)(void *, uint64_t, uint32_t, void **, uint32_t *);
  const uint64_t every_kind = 0xFFFFFFFF;
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "clGetDeviceIDs");
  return real(platform, every_kind, room, devices, count);
}
