/* Chapter 3: one hart at a time. Two kinds of lock, chosen at boot (`locks=ticket`): a spin lock is whoever's comes first, a ticket lock
 * serves in the order of arrival. Interrupts are off in the whole kernel but for the idle loop, so a lock need not turn them off: nothing can
 * run on this hart before it is given back. And a holder never sleeps: sleep_on takes the lock from it.
 *
 * Built with BIGLOCK there is only one lock, around the whole kernel; the others cost nothing. */
#include "kernel.h"

static int tickets;
void choose_locks(void) {
  const char *kind = boot_argument("locks");
  tickets = kind != 0 && text_equal(kind, "ticket");
}

/* Waiting reads; only a try writes. So that many waiters share the line of the lock in their caches until it is given back. */
#define PATIENCE 256 /* then the holder is probably not running at all: under a hypervisor harts are preempted */
static void wait_once(uint64 *waited) {
  if (++*waited % PATIENCE == 0) para_yield();
}
static void take(struct lock *it) {
  uint64 waited = 0;
  if (tickets) {
    uint32 mine = __atomic_fetch_add(&it->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&it->serving, __ATOMIC_ACQUIRE) != mine) wait_once(&waited);
  } else {
    while (__atomic_exchange_n(&it->held, 1, __ATOMIC_ACQUIRE) != 0)
      do wait_once(&waited);
      while (it->held != 0);
  }
  it->taken++;
  it->waited += waited;
}

static void give(struct lock *it) {
  if (tickets) __atomic_store_n(&it->serving, it->serving + 1, __ATOMIC_RELEASE);
  else __atomic_store_n(&it->held, 0, __ATOMIC_RELEASE);
}

#ifdef BIGLOCK
/* Taken where a trap enters and given back where it leaves. A switch in between hands it over: the next process returns with it. */
LOCK big_lock = {.name = "kernel"};
void enter_kernel(void) { take(&big_lock); }
void leave_kernel(void) { give(&big_lock); }
void lock(struct lock *it) { (void)it; }
void unlock(struct lock *it) { (void)it; }
#else
void lock(struct lock *it) { take(it); }
void unlock(struct lock *it) { give(it); }
#endif
