/* Spin locks as Anderson compared them (IEEE TPDS 1(1), 1990): all harts take one lock in turns, do a little under it, and something else.
 * p0 kind, p1 acquisitions of all harts together, p2 cycles under the lock, p3 cycles between. Gives the hart's time from the common start
 * to its end; hart 0 checks that the lock held. */
#include "workload.h"

enum { TEST_AND_SET, TEST_AND_TEST_AND_SET, BACKOFF, TICKET, QUEUE, ARRAY };

#define BACKOFF_MIN 32
#define BACKOFF_MAX 8192

static volatile uint32_t word __attribute__((aligned(LINE)));
static volatile uint64_t next_ticket __attribute__((aligned(LINE)));
static volatile uint64_t serving __attribute__((aligned(LINE)));
static volatile uint64_t tail __attribute__((aligned(LINE)));
static volatile uint64_t next_slot __attribute__((aligned(LINE)));
static struct {
  volatile uint64_t go;
} __attribute__((aligned(LINE))) slots[HARTS_MAX];
struct waiter {
  volatile uint64_t next;
  volatile uint64_t locked;
} __attribute__((aligned(LINE)));
static struct waiter waiters[HARTS_MAX];
/* What the lock guards: on lines of its own. */
static struct {
  volatile uint64_t count;
} __attribute__((aligned(LINE))) guarded;
static struct barrier start, end;

static uint64_t acquire(uint64_t kind, uint64_t hart, uint64_t *random) {
  switch (kind) {
  case TEST_AND_SET:
    while (swap_word(&word, 1)) {
    }
    return 0;
  case TEST_AND_TEST_AND_SET:
    do
      while (word) {
      }
    while (swap_word(&word, 1));
    return 0;
  case BACKOFF:
    for (uint64_t most = BACKOFF_MIN;; most = most < BACKOFF_MAX ? most * 2 : most) {
      while (word) {
      }
      if (!swap_word(&word, 1)) return 0;
      compute(draw(random) % most);
    }
  case TICKET: {
    uint64_t mine = add_double(&next_ticket, 1);
    while (serving != mine) {
    }
    return 0;
  }
  case QUEUE: {
    struct waiter *me = &waiters[hart];
    me->next = 0;
    me->locked = 1;
    struct waiter *before = (struct waiter *)swap_double(&tail, (uint64_t)me);
    if (before == 0) return 0;
    before->next = (uint64_t)me;
    while (me->locked) {
    }
    return 0;
  }
  default: {
    uint64_t slot = add_double(&next_slot, 1) % HARTS_MAX;
    while (!slots[slot].go) {
    }
    slots[slot].go = 0;
    return slot;
  }
  }
}

static void release(uint64_t kind, uint64_t hart, uint64_t slot) {
  fence_all();
  switch (kind) {
  case TICKET:
    serving = serving + 1;
    return;
  case QUEUE: {
    struct waiter *me = &waiters[hart];
    if (me->next == 0) {
      if (exchange_if(&tail, (uint64_t)me, 0)) return;
      while (me->next == 0) {
      }
    }
    ((struct waiter *)me->next)->locked = 0;
    return;
  }
  case ARRAY:
    slots[(slot + 1) % HARTS_MAX].go = 1;
    return;
  default:
    word = 0;
  }
}

uint64_t work(uint64_t hart, uint64_t harts, const struct parameters *parameters) {
  uint64_t kind = parameters->p[0], rounds = parameters->p[1] / harts;
  uint64_t random = seed_of(hart);
  if (hart == 0) slots[0].go = 1;
  wait_for_all(&start, harts);
  uint64_t began = cycles_now();
  for (uint64_t i = 0; i < rounds; i++) {
    uint64_t slot = acquire(kind, hart, &random);
    guarded.count = guarded.count + 1;
    compute(parameters->p[2]);
    release(kind, hart, slot);
    compute(parameters->p[3]);
  }
  uint64_t took = cycles_now() - began;
  wait_for_all(&end, harts);
  return guarded.count == rounds * harts ? took : 0;
}
