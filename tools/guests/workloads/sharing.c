/* False sharing: every hart counts in a word of its own; p0 is the distance of the words in bytes, p1 how often it counts.
 * Gives the hart's time from the common start. */
#include "workload.h"

static struct barrier start;
static char words[HARTS_MAX * 256] __attribute__((aligned(PAGE)));

uint64_t work(uint64_t hart, uint64_t harts, const struct parameters *parameters) {
  volatile uint64_t *mine = (uint64_t *)(words + hart * parameters->p[0]);
  wait_for_all(&start, harts);
  uint64_t began = cycles_now();
  for (uint64_t i = 0; i < parameters->p[1]; i++) {
    *mine = *mine + 1;
    compute(8);
  }
  uint64_t took = cycles_now() - began;
  return *mine == parameters->p[1] ? took : 0;
}
