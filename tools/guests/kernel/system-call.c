/* Chapter 8: what a process may ask for. The number is in a7, the arguments in a0 to a2, the answer goes to a0; -1 says no. Nothing that a
 * process passes is trusted: numbers are checked here, addresses where they are used. */
#include "kernel.h"

static struct file **file_slot(uint64 number) {
  struct file **slot = &this_process()->files[number];
  return number < FILES_MAX && *slot != 0 ? slot : 0;
}

static uint64 call_exit(uint64 code) { process_exit((int)code); }
static uint64 call_fork(void) { return process_fork(); }
static uint64 call_exec(uint64 words, uint64 count) { return process_exec(words, (int)count); }
static uint64 call_wait(uint64 code) { return process_wait(code); }
static uint64 call_getpid(void) { return this_process()->id; }
static uint64 call_yield(void) {
  yield();
  return 0;
}
static uint64 call_sleep(uint64 ticks) {
  sleep_until(now() + ticks);
  return 0;
}
static uint64 call_read(uint64 number, uint64 to, uint64 bytes) {
  struct file **slot = file_slot(number);
  return slot == 0 ? -1ull : (uint64)file_read(*slot, to, bytes);
}
static uint64 call_write(uint64 number, uint64 from, uint64 bytes) {
  struct file **slot = file_slot(number);
  return slot == 0 ? -1ull : (uint64)file_write(*slot, from, bytes);
}
static uint64 call_close(uint64 number) {
  struct file **slot = file_slot(number);
  if (slot == 0) return -1;
  file_close(*slot);
  *slot = 0;
  return 0;
}
/* The file of one number gets another one as well: how a shell puts a pipe where a program expects its console. */
static uint64 call_move(uint64 from, uint64 to) {
  struct file **slot = file_slot(from);
  if (slot == 0 || to >= FILES_MAX) return -1;
  if (from == to) return 0;
  if (this_process()->files[to] != 0) file_close(this_process()->files[to]);
  this_process()->files[to] = *slot;
  *slot = 0;
  return 0;
}
static uint64 call_pipe(uint64 numbers) {
  struct process *me = this_process();
  int free[2], found = 0;
  for (int n = 0; n < FILES_MAX && found < 2; n++)
    if (me->files[n] == 0) free[found++] = n;
  if (found < 2 || !pipe_make(&me->files[free[0]], &me->files[free[1]])) return -1;
  return copy_to_process(me, numbers, free, sizeof free) ? 0 : -1;
}
/* The heap grows by promise only: its pages come when they are touched. */
static uint64 call_sbrk(uint64 bytes) {
  struct process *me = this_process();
  uint64 old = me->heap_end, start = USER_IMAGE + (user_image_end - user_image);
  uint64 end = old + bytes;
  if (end < start || end > USER_SHARED) return -1;
  if (end < old) heap_shrink(me, end, old);
  me->heap_end = end;
  return old;
}
static uint64 call_share(uint64 pages) {
  uint64 address = share_pages(this_process(), (int)pages);
  return address == 0 ? -1ull : address;
}
static uint64 call_kill(uint64 id) { return process_kill((int)id); }
static uint64 call_disk(uint64 sector, uint64 address, uint64 writes) { return disk_transfer(sector, address, (int)writes); }

static uint64 call_info(uint64 to) {
  struct info info = {.harts = machine.harts,
                      .ticks_per_second = machine.ticks_per_second,
                      .frames_free = frames_free(),
                      .memory_bytes = machine.memory_end - machine.memory_start,
                      .disk_sectors = disk_sectors(),
                      .paravirtual = para};
  for (int n = 0; n < machine.harts; n++) {
    info.traps += cpus[n].traps;
    info.system_calls += cpus[n].system_calls;
    info.faults += cpus[n].faults;
    info.switches += cpus[n].switches;
    info.interrupts += cpus[n].interrupts;
    info.idle_ticks += cpus[n].idle_ticks;
  }
  for (struct lock *it = locks_begin; it < locks_end; it++) {
    info.locks_taken += it->taken;
    info.locks_waited += it->waited;
  }
  return copy_to_process(this_process(), to, &info, sizeof info) ? 0 : -1;
}

static uint64 call_status(uint64 slot, uint64 to) {
  if (slot >= PROCESSES_MAX) return -1;
  struct process *it = &processes[slot];
  struct status status = {.id = it->id, .state = it->state, .killed = it->killed, .ran_ticks = it->ran_ticks};
  if (it->parent != 0) status.parent = it->parent->id;
  memcpy(status.name, it->name, sizeof status.name);
  return copy_to_process(this_process(), to, &status, sizeof status) ? 0 : -1;
}

static uint64 call_arguments(uint64 to, uint64 bytes) {
  uint64 all = sizeof machine.arguments;
  return copy_to_process(this_process(), to, machine.arguments, bytes < all ? bytes : all) ? 0 : -1;
}

static uint64 call_balloon(uint64 pages) { return balloon_change((int)pages); }

static uint64 call_halt(uint64 how) {
  if (how == HALT_RESTART) sbi_restart();
  sbi_power_off(how == HALT_FAILED);
}

typedef uint64 (*call)(uint64, uint64, uint64);
#define ENTRY(number, function) [number] = (call)(void *)function
static const call calls[CALLS] = {
    ENTRY(CALL_EXIT, call_exit),     ENTRY(CALL_FORK, call_fork),     ENTRY(CALL_EXEC, call_exec),   ENTRY(CALL_WAIT, call_wait),
    ENTRY(CALL_GETPID, call_getpid), ENTRY(CALL_YIELD, call_yield),   ENTRY(CALL_SLEEP, call_sleep), ENTRY(CALL_READ, call_read),
    ENTRY(CALL_WRITE, call_write),   ENTRY(CALL_PIPE, call_pipe),     ENTRY(CALL_CLOSE, call_close), ENTRY(CALL_MOVE, call_move),
    ENTRY(CALL_SBRK, call_sbrk),     ENTRY(CALL_SHARE, call_share),   ENTRY(CALL_KILL, call_kill),   ENTRY(CALL_DISK, call_disk),
    ENTRY(CALL_BALLOON, call_balloon),
    ENTRY(CALL_INFO, call_info),     ENTRY(CALL_STATUS, call_status), ENTRY(CALL_HALT, call_halt),   ENTRY(CALL_ARGUMENTS, call_arguments),
};

void system_call(struct frame *frame) {
  uint64 number = frame->x[A7];
  frame->pc += 4; /* past the ecall, before anything: the call may never come back this way (exec) */
  if (number >= CALLS || calls[number] == 0) frame->x[A0] = -1;
  else frame->x[A0] = calls[number](frame->x[A0], frame->x[A0 + 1], frame->x[A0 + 2]);
}
