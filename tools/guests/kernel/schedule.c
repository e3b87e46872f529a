/* Chapter 7: who runs next. One queue of ready processes for all harts, first come first served; a process that used up its slice goes to
 * the end. One lock guards the queue and every change of state, and it is held across the switch: the process that is switched to gives it back.
 * (Were it given back before, another hart could take the old process out of the queue and run it on a stack that is still in use.)
 *
 * A hart without work runs its idle loop, whose body is a choice (`idle=`): wait for an interrupt, look again and again, or tell the
 * hypervisor. What a VMM can see of each is a lesson of its own: to it, a guest that looks again and again is busy. */
#include "kernel.h"

struct cpu cpus[HARTS_MAX];
LOCK table_lock = {.name = "table"};
static struct process *queue_head, **queue_tail = &queue_head;
static uint64 slice_ticks;
static enum { WAITS, POLLS, YIELDS } idle_kind;
#define SLICES_PER_SECOND 100

void schedule_begin(void) {
  const char *kind = boot_argument("idle"), *hz = boot_argument("hz");
  uint64 per_second = hz != 0 ? text_number(hz) : 0;
  slice_ticks = machine.ticks_per_second / (per_second != 0 ? per_second : SLICES_PER_SECOND);
  if (kind != 0) idle_kind = text_equal(kind, "poll") ? POLLS : text_equal(kind, "yield") ? YIELDS : WAITS;
}

static void queue_put(struct process *it) {
  it->next = 0;
  *queue_tail = it;
  queue_tail = &it->next;
}

static struct process *queue_take(void) {
  struct process *it = queue_head;
  if (it != 0 && (queue_head = it->next) == 0) queue_tail = &queue_head;
  return it;
}

/* A hart that waits for an interrupt must be told of work; one is enough, and not this one, which is about to look. */
static void wake_a_hart(void) {
  for (int n = 0; n < machine.harts; n++)
    if (cpus[n].idling && &cpus[n] != this_cpu()) {
      cpus[n].idling = 0;
      sbi_send_interrupt(cpus[n].hart_id);
      return;
    }
}

void make_ready(struct process *it) {
  it->state = READY;
  it->waits_for = 0;
  it->wakes_at = NEVER;
  queue_put(it);
  wake_a_hart();
}

/* The first sleeper with a clock, and those whose time has come made ready. */
static uint64 wake_by_clock(void) {
  uint64 first = NEVER, time = now();
  for (struct process *it = processes; it < processes + PROCESSES_MAX; it++) {
    if (it->state != SLEEPING || it->wakes_at == NEVER) continue;
    if (it->wakes_at <= time) make_ready(it);
    else if (it->wakes_at < first) first = it->wakes_at;
  }
  return first;
}

/* Gives this hart to the next process. Called with the table locked and the state of the present one already changed. */
void schedule(void) {
  struct cpu *cpu = this_cpu();
  struct process *old = cpu->current;
  uint64 alarm = wake_by_clock(), time = now();
  struct process *next = queue_take();
  if (next == 0) next = &cpu->idle;
  old->ran_ticks += time - old->began_at;
  next->began_at = time;
  if (next == &cpu->idle) cpu->slice_end = NEVER;
  else {
    next->state = RUNNING;
    cpu->slice_end = time + slice_ticks;
    if (cpu->slice_end < alarm) alarm = cpu->slice_end;
  }
  clock_set(alarm);
  if (next == old) return;
  cpu->current = next;
  cpu->switches++;
  if (next == &cpu->idle) space_leave();
  else space_enter(next);
  switch_stacks(&old->saved_sp, next->saved_sp);
  /* Here `old` runs again, perhaps on another hart, with the table still locked by whoever switched to it. */
}

void yield(void) {
  lock(&table_lock);
  struct process *me = this_process();
  me->state = READY;
  queue_put(me);
  schedule();
  unlock(&table_lock);
}

/* Gives `held` back, sleeps until somebody calls wake_all, takes it again. Nobody can wake in between unseen: to wake, too, takes the table. */
void sleep_on(const void *what, struct lock *held) {
  if (held != &table_lock) {
    lock(&table_lock);
    unlock(held);
  }
  struct process *me = this_process();
  me->state = SLEEPING;
  me->waits_for = what;
  me->wakes_at = NEVER;
  schedule();
  if (held != &table_lock) {
    unlock(&table_lock);
    lock(held);
  }
}

void sleep_until(uint64 ticks) {
  lock(&table_lock);
  struct process *me = this_process();
  if (!me->killed) {
    me->state = SLEEPING;
    me->waits_for = 0;
    me->wakes_at = ticks;
    schedule();
  }
  unlock(&table_lock);
}

/* With the table locked. */
void wake_all(const void *what) {
  for (struct process *it = processes; it < processes + PROCESSES_MAX; it++)
    if (it->state == SLEEPING && it->waits_for == what) make_ready(it);
}

/* What a hart is when it is nothing else. Interrupts are off when it asks for work, so none is lost between the question and wfi, which
 * ends when one is pending, on or off; they are let in after it. */
void idle_forever(void) {
  struct cpu *cpu = this_cpu();
  cpu->current = &cpu->idle;
  cpu->idle.state = RUNNING;
  for (;;) {
    enter_kernel();
    lock(&table_lock);
    cpu->idling = 0;
    schedule();                  /* comes back when there is nothing to run */
    cpu->idling = idle_kind != POLLS;
    unlock(&table_lock);
    leave_kernel();
    uint64 since = now();
    if (idle_kind == POLLS) {
      csr_set(sstatus, SSTATUS_SIE);
      while (*(struct process *volatile *)&queue_head == 0 && cpu->slice_end == NEVER) {}
      csr_clear(sstatus, SSTATUS_SIE);
    } else {
      if (idle_kind == YIELDS) para_yield();
      __asm__ volatile("wfi");
      csr_set(sstatus, SSTATUS_SIE); /* what is pending is taken here */
      csr_clear(sstatus, SSTATUS_SIE);
    }
    cpu->idle_ticks += now() - since;
  }
}
