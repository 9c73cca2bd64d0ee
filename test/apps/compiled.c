/* A compiled program: SIGUSR1 would end it. Build: cc -o /tmp/somewhere/compiled compiled.c */
#include <stdio.h>
#include <unistd.h>

int main(void) {
  puts("compiled program is up");
  fflush(stdout);
  for (;;) pause();
}
