/* What programs of the timed multiprocessor share. A program is `work`: every hart runs it with its number, how many there are, and the
 * parameters that the host chose; what it returns is the hart's result. No devices: a hart that is done ends in ebreak. */
#ifndef WORKLOAD_H
#define WORKLOAD_H
#include <stdint.h>

#define LINE 64
#define PAGE 4096
#define HARTS_MAX 64

struct parameters {
  uint64_t p[6];
};

uint64_t work(uint64_t hart, uint64_t harts, const struct parameters *parameters);

/* Free memory from here, page by page; the first HARTS_MAX pages are stacks. */
extern char heap[];
#define data_start (heap + HARTS_MAX * PAGE)

/* Virtual time of this hart. */
#define cycles_now() ({ uint64_t value; __asm__ volatile("csrr %0, cycle" : "=r"(value) :: "memory"); value; })
#define fence_all() __asm__ volatile("fence rw, rw" ::: "memory")

static inline uint32_t swap_word(volatile uint32_t *at, uint32_t value) {
  uint32_t old;
  __asm__ volatile("amoswap.w.aqrl %0, %2, (%1)" : "=r"(old) : "r"(at), "r"(value) : "memory");
  return old;
}

static inline uint64_t swap_double(volatile uint64_t *at, uint64_t value) {
  uint64_t old;
  __asm__ volatile("amoswap.d.aqrl %0, %2, (%1)" : "=r"(old) : "r"(at), "r"(value) : "memory");
  return old;
}

static inline uint64_t add_double(volatile uint64_t *at, uint64_t value) {
  uint64_t old;
  __asm__ volatile("amoadd.d.aqrl %0, %2, (%1)" : "=r"(old) : "r"(at), "r"(value) : "memory");
  return old;
}

/* Stores `wanted` if `expected` is there; gives whether it was. */
static inline int exchange_if(volatile uint64_t *at, uint64_t expected, uint64_t wanted) {
  uint64_t seen, failed;
  __asm__ volatile("1: lr.d.aq %0, (%2)\n bne %0, %3, 2f\n sc.d.rl %1, %4, (%2)\n bnez %1, 1b\n 2:"
                   : "=&r"(seen), "=&r"(failed)
                   : "r"(at), "r"(expected), "r"(wanted)
                   : "memory");
  return seen == expected;
}

struct barrier {
  volatile uint64_t arrived __attribute__((aligned(LINE)));
  volatile uint64_t generation __attribute__((aligned(LINE)));
};

static inline void wait_for_all(struct barrier *barrier, uint64_t harts) {
  uint64_t mine = barrier->generation;
  if (add_double(&barrier->arrived, 1) == harts - 1) {
    barrier->arrived = 0;
    fence_all();
    barrier->generation = mine + 1;
  } else
    while (barrier->generation == mine) {
    }
  fence_all();
}

/* Work that touches no memory: about `units` cycles. */
static inline void compute(uint64_t units) {
  for (uint64_t i = 0; i < units / 2; i++) __asm__ volatile("");
}

/* Marsaglia's xorshift of 64 bits. */
static inline uint64_t draw(uint64_t *state) {
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

static inline uint64_t seed_of(uint64_t hart) { return 0x9e3779b97f4a7c15u * (hart + 1); }
#endif
