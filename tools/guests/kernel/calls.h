/* The contract of kernel and programs: numbers of the system calls and the records that they fill. */
#ifndef CALLS_H
#define CALLS_H
#define CALL_EXIT 1
#define CALL_FORK 2
#define CALL_EXEC 3
#define CALL_WAIT 4
#define CALL_GETPID 5
#define CALL_YIELD 6
#define CALL_SLEEP 7
#define CALL_READ 8
#define CALL_WRITE 9
#define CALL_PIPE 10
#define CALL_CLOSE 11
#define CALL_MOVE 12
#define CALL_SBRK 13
#define CALL_SHARE 14
#define CALL_KILL 15
#define CALL_DISK 16
#define CALL_INFO 17
#define CALL_STATUS 18
#define CALL_ARGUMENTS 19
#define CALL_HALT 20
#define CALL_BALLOON 21
#define CALLS 22

#define FILES_MAX 8
#define SECTOR 512

/* What CALL_HALT does. */
#define HALT_OFF 0
#define HALT_FAILED 1
#define HALT_RESTART 2

/* CALL_INFO: of the machine and the kernel, since boot. */
struct info {
  unsigned long harts, ticks_per_second, frames_free, memory_bytes, disk_sectors;
  unsigned long traps, system_calls, faults, switches, interrupts, idle_ticks;
  unsigned long locks_taken, locks_waited;
  unsigned long paravirtual;
};

/* CALL_STATUS: of the process in slot n. */
struct status {
  int id, parent, state, killed;
  unsigned long ran_ticks;
  char name[16];
};
#endif
