/* Four harts on one memory: AMO and LR/SC counters, a lock, a barrier, messages by plain loads and stores, interrupts between harts. */
#include "runtime.h"

#define HARTS 4
#define ROUNDS 2000
/* Each costs a change of turns where one host thread runs all harts. */
#define MESSAGES 100
static volatile uint32_t *const msip = (uint32_t *)CLINT;

static volatile uint64_t added, reserved, locked_count;
static volatile uint32_t lock, arrived, generation;
static volatile uint64_t mailbox, mailbox_full, received_sum, woken;
static volatile uint64_t done[HARTS];

static void acquire(void) {
  uint32_t busy;
  do {
    while (lock) {
    }
    __asm__ volatile("amoswap.w.aq %0, %2, (%1)" : "=r"(busy) : "r"(&lock), "r"(1) : "memory");
  } while (busy);
}

static void release(void) { __asm__ volatile("amoswap.w.rl zero, zero, (%0)" ::"r"(&lock) : "memory"); }

static void barrier(void) {
  uint32_t mine = generation, before;
  __asm__ volatile("amoadd.w.aqrl %0, %2, (%1)" : "=r"(before) : "r"(&arrived), "r"(1) : "memory");
  if (before == HARTS - 1) {
    arrived = 0;
    __asm__ volatile("fence rw, rw" ::: "memory");
    generation = mine + 1;
  } else
    while (generation == mine) {
    }
  __asm__ volatile("fence rw, rw" ::: "memory");
}

static void count(void) {
  for (int i = 0; i < ROUNDS; i++) {
    __asm__ volatile("amoadd.d zero, %1, (%0)" ::"r"(&added), "r"(1ull) : "memory");
    uint64_t old, failed;
    do
      __asm__ volatile("lr.d %0, (%2)\n addi %0, %0, 1\n sc.d %1, %0, (%2)" : "=&r"(old), "=&r"(failed) : "r"(&reserved) : "memory");
    while (failed);
    acquire();
    locked_count = locked_count + 1; /* a plain read and write: only the lock keeps it whole */
    release();
  }
}

/* Hart 0 sends, hart 1 receives; the others look on. */
static void messages(uint64_t hart) {
  for (uint64_t i = 1; i <= MESSAGES; i++) {
    if (hart == 0) {
      while (mailbox_full) {
      }
      mailbox = i;
      __asm__ volatile("fence w, w" ::: "memory");
      mailbox_full = 1;
    } else if (hart == 1) {
      while (!mailbox_full) {
      }
      __asm__ volatile("fence r, r" ::: "memory");
      received_sum += mailbox;
      __asm__ volatile("fence rw, w" ::: "memory");
      mailbox_full = 0;
    }
  }
}

/* Each hart sleeps until its left neighbour wakes it. */
static void ring(uint64_t hart) {
  write_csr(mie, IRQ_MSI);
  if (hart != 0)
    while ((read_csr(mip) & IRQ_MSI) == 0) __asm__ volatile("wfi");
  msip[hart] = 0;
  __asm__ volatile("amoadd.d zero, %1, (%0)" ::"r"(&woken), "r"(1ull) : "memory");
  if (hart + 1 < HARTS) msip[hart + 1] = 1;
}

static void work(uint64_t hart) {
  barrier();
  count();
  barrier();
  messages(hart);
  barrier();
  ring(hart);
  done[hart] = 1;
  barrier();
}

static int check(const char *what, uint64_t seen, uint64_t wanted) {
  if (seen == wanted) return 0;
  put_text(what);
  put_text(": ");
  put_decimal(seen);
  put_text(", not ");
  put_decimal(wanted);
  put_byte('\n');
  return 1;
}

void main_secondary(uint64_t hart) {
  if (hart < HARTS) work(hart);
}

int main(void) {
  work(0);
  int failures = check("amoadd", added, HARTS * ROUNDS) + check("lr/sc", reserved, HARTS * ROUNDS) + check("lock", locked_count, HARTS * ROUNDS) +
                 check("messages", received_sum, (uint64_t)MESSAGES * (MESSAGES + 1) / 2) + check("woken", woken, HARTS);
  if (failures == 0) put_text("smp: ok\n");
  return failures != 0;
}
