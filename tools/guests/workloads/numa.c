/* Accesses to memory of one's own and to memory that all read: what placement, migration and replication of pages are for.
 * p0 bytes that all share, p1 bytes of each hart, p2 accesses of each hart, p3 of 100 accesses how many go to the shared part,
 * p4 cycles of work per access, p5 who writes the memory first: 0 each hart its own, 1 hart 0 all of it.
 * Own memory is read and written, the shared part only read. Gives the hart's time after the first writes. */
#include "workload.h"

static struct barrier written, start;

static void fill(char *from, uint64_t bytes) {
  for (uint64_t at = 0; at < bytes; at += LINE) *(volatile uint64_t *)(from + at) = at;
}

uint64_t work(uint64_t hart, uint64_t harts, const struct parameters *parameters) {
  uint64_t shared_bytes = parameters->p[0], own_bytes = parameters->p[1];
  char *shared = data_start, *own = data_start + shared_bytes + hart * own_bytes;
  if (hart == 0) fill(shared, shared_bytes);
  if (parameters->p[5] == 0) fill(own, own_bytes);
  else if (hart == 0)
    for (uint64_t other = 0; other < harts; other++) fill(shared + shared_bytes + other * own_bytes, own_bytes);
  wait_for_all(&written, harts);
  uint64_t random = seed_of(hart), sum = 0;
  wait_for_all(&start, harts);
  uint64_t began = cycles_now();
  for (uint64_t i = 0; i < parameters->p[2]; i++) {
    uint64_t x = draw(&random) >> 8;
    if (x % 100 < parameters->p[3]) sum += *(volatile uint64_t *)(shared + (x / 100 * LINE) % shared_bytes);
    else {
      volatile uint64_t *at = (uint64_t *)(own + (x / 100 * LINE) % own_bytes);
      *at = *at + 1;
    }
    compute(parameters->p[4]);
  }
  uint64_t took = cycles_now() - began;
  return sum == 1 ? 0 : took;
}
