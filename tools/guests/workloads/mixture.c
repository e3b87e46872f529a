/* Instructions and misses in a chosen mixture: a walk through a random cycle of lines, with work between two steps.
 * p0 bytes of the cycle of each hart, p1 steps, p2 cycles of work between two steps. Gives the hart's time for the steps. */
#include "workload.h"

static struct barrier start;

uint64_t work(uint64_t hart, uint64_t harts, const struct parameters *parameters) {
  uint64_t lines = parameters->p[0] / LINE, random = seed_of(hart);
  char *mine = data_start + hart * parameters->p[0];
  /* Sattolo's shuffle of 0…lines-1, in place: one cycle through all lines. */
  for (uint64_t i = 0; i < lines; i++) *(uint64_t *)(mine + i * LINE) = i;
  for (uint64_t i = lines - 1; i > 0; i--) {
    uint64_t j = draw(&random) % i;
    uint64_t *a = (uint64_t *)(mine + i * LINE), *b = (uint64_t *)(mine + j * LINE), held = *a;
    *a = *b;
    *b = held;
  }
  wait_for_all(&start, harts);
  uint64_t began = cycles_now(), at = 0;
  for (uint64_t i = 0; i < parameters->p[1]; i++) {
    at = *(volatile uint64_t *)(mine + at * LINE);
    compute(parameters->p[2]);
  }
  uint64_t took = cycles_now() - began;
  return at < lines ? took : 0;
}
