/* LD_PRELOAD for adbd: listen on loopback only, and refuse AF_VSOCK. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#ifndef AF_VSOCK
#define AF_VSOCK 40
#endif

int bind(int fd, const struct sockaddr *address, socklen_t length) {
  int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
  struct sockaddr_storage copy;
  if (address->sa_family == AF_VSOCK) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  if (length > sizeof copy) length = sizeof copy;
  memcpy(&copy, address, length);
  if (address->sa_family == AF_INET) {
    struct sockaddr_in *four = (struct sockaddr_in *)&copy;
    if (four->sin_addr.s_addr == INADDR_ANY) four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else if (address->sa_family == AF_INET6) {
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&copy;
    if (IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr)) inet_pton(AF_INET6, "::ffff:127.0.0.1", &six->sin6_addr);
  }
  return real(fd, (struct sockaddr *)&copy, length);
}

int socket(int domain, int type, int protocol) {
  int (*real)(int, int, int) = dlsym(RTLD_NEXT, "socket");
  if (domain == AF_VSOCK) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  return real(domain, type, protocol);
}
