/* A kernel's table under one lock, under a lock for each row, and without locks. Every hart alternates between its own work and a call that
 * looks a row up and changes it. p0: 0 one lock, 1 a lock a row, 2 none; p1 calls of each hart; p2 cycles of work between calls; p3 rows.
 * Gives the hart's time; 0 when a change was lost. */
#include "workload.h"

#define ROWS_MAX 256
#define WORDS 4

static struct {
  volatile uint32_t lock;
} __attribute__((aligned(LINE))) big;
static struct {
  volatile uint32_t lock;
  volatile uint64_t words[WORDS];
} __attribute__((aligned(LINE))) rows[ROWS_MAX];
static struct barrier start, end;

static void acquire(volatile uint32_t *lock) {
  do
    while (*lock) {
    }
  while (swap_word(lock, 1));
}

static void release(volatile uint32_t *lock) {
  fence_all();
  *lock = 0;
}

static void change(uint64_t row) {
  for (int i = 0; i < WORDS; i++) rows[row].words[i] = rows[row].words[i] + 1;
  compute(100);
}

uint64_t work(uint64_t hart, uint64_t harts, const struct parameters *parameters) {
  uint64_t kind = parameters->p[0], calls = parameters->p[1], random = seed_of(hart);
  wait_for_all(&start, harts);
  uint64_t began = cycles_now();
  for (uint64_t i = 0; i < calls; i++) {
    uint64_t row = draw(&random) % parameters->p[3];
    if (kind == 0) {
      acquire(&big.lock);
      change(row);
      release(&big.lock);
    } else if (kind == 1) {
      acquire(&rows[row].lock);
      change(row);
      release(&rows[row].lock);
    } else {
      for (int word = 0; word < WORDS; word++) add_double(&rows[row].words[word], 1);
      compute(100);
    }
    compute(parameters->p[2]);
  }
  uint64_t took = cycles_now() - began;
  wait_for_all(&end, harts);
  uint64_t sum = 0;
  for (uint64_t row = 0; row < parameters->p[3]; row++)
    for (int word = 0; word < WORDS; word++) sum += rows[row].words[word];
  return sum == WORDS * calls * harts ? took : 0;
}
