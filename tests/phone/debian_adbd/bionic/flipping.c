/* A benchmark_model that computes one value wrongly: runs the one beside it, called benchmark_model.true, and flips the
 * sign of the largest float in the file that --output_filepath names. Every line that it prints is the true one's. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  const char *flag = "--output_filepath=", *output = NULL;
  for (int i = 1; i < argc; i++)
    if (!strncmp(argv[i], flag, strlen(flag))) output = argv[i] + strlen(flag);
  int status = 0;
  pid_t child = fork();
  if (child == 0) {
    execv("/data/local/tmp/benchmark_model.true", argv);
    _exit(126);
  }
  waitpid(child, &status, 0);
  FILE *file = output ? fopen(output, "r+b") : NULL;
  if (file) {
    float value, largest = 0;
    long at = 0;
    while (fread(&value, sizeof value, 1, file) == 1)
      if (fabsf(value) > fabsf(largest)) largest = value, at = ftell(file) - (long)sizeof value;
    fseek(file, at, SEEK_SET);
    value = -largest;
    fwrite(&value, sizeof value, 1, file);
    fclose(file);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
