/* Stands for a program of the phone: hands its command line, environment and output to the computer outside, which
 * acts for it, and ends with the exit status that comes back. When it is killed, the connection tells that.
 *
 * Sent: u32 number of words, u32 number of variables, then each as u32 length and bytes; standard output and error go
 * along as SCM_RIGHTS. Received: one byte. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

static void put(char **at, const char *text) {
  uint32_t length = strlen(text);
  memcpy(*at, &length, 4);
  memcpy(*at + 4, text, length);
  *at += 4 + length;
}

int main(int argc, char **argv) {
  char folder[4096];
  if (getcwd(folder, sizeof folder)) setenv("PWD", folder, 1); /* a shell need not export it */
  size_t size = 8;
  uint32_t variables = 0;
  for (int i = 0; i < argc; i++) size += 4 + strlen(argv[i]);
  for (char **v = environ; *v; v++, variables++) size += 4 + strlen(*v);
  char *message = malloc(size), *at = message + 8;
  uint32_t words = argc;
  memcpy(message, &words, 4);
  memcpy(message + 4, &variables, 4);
  for (int i = 0; i < argc; i++) put(&at, argv[i]);
  for (char **v = environ; *v; v++) put(&at, *v);

  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/.sim/socket"};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) {
    perror(argv[0]);
    return 126;
  }
  char control[CMSG_SPACE(2 * sizeof(int))] = {0};
  uint32_t total = at - message;
  struct iovec part = {&total, 4};
  struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *rights = CMSG_FIRSTHDR(&head);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(2 * sizeof(int));
  memcpy(CMSG_DATA(rights), (int[]){1, 2}, 2 * sizeof(int));
  if (sendmsg(fd, &head, 0) != 4) return 126;
  for (char *from = message; from < at;) {
    ssize_t sent = write(fd, from, at - from);
    if (sent <= 0) return 126;
    from += sent;
  }
  unsigned char status = 126;
  if (read(fd, &status, 1) != 1) return 126;
  return status;
}
