/* What programs call. The stubs are one instruction each: the cost of a system call that is measured here is the kernel's. */
#ifndef USER_H
#define USER_H
#include <stddef.h>
#include <stdint.h>
#include "../calls.h"

typedef unsigned long word;

static inline long call(long number, word first, word second, word third) {
  register word a0 __asm__("a0") = first;
  register word a1 __asm__("a1") = second;
  register word a2 __asm__("a2") = third;
  register word a7 __asm__("a7") = number;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
  return (long)a0;
}
static inline void __attribute__((noreturn)) exit(int code) {
  call(CALL_EXIT, code, 0, 0);
  __builtin_unreachable();
}
static inline int fork(void) { return (int)call(CALL_FORK, 0, 0, 0); }
static inline int exec(char **words, int count) { return (int)call(CALL_EXEC, (word)words, count, 0); }
static inline int wait(int *code) { return (int)call(CALL_WAIT, (word)code, 0, 0); }
static inline int getpid(void) { return (int)call(CALL_GETPID, 0, 0, 0); }
static inline void yield(void) { call(CALL_YIELD, 0, 0, 0); }
static inline void sleep(word ticks) { call(CALL_SLEEP, ticks, 0, 0); }
static inline long read(int file, void *to, word bytes) { return call(CALL_READ, file, (word)to, bytes); }
static inline long write(int file, const void *from, word bytes) { return call(CALL_WRITE, file, (word)from, bytes); }
static inline int pipe(int files[2]) { return (int)call(CALL_PIPE, (word)files, 0, 0); }
static inline int close(int file) { return (int)call(CALL_CLOSE, file, 0, 0); }
static inline int move_file(int from, int to) { return (int)call(CALL_MOVE, from, to, 0); }
static inline char *sbrk(long bytes) { return (char *)call(CALL_SBRK, bytes, 0, 0); }
static inline void *share(int pages) { return (void *)call(CALL_SHARE, pages, 0, 0); }
static inline int kill(int id) { return (int)call(CALL_KILL, id, 0, 0); }
static inline int disk_read(word sector, void *to) { return (int)call(CALL_DISK, sector, (word)to, 0); }
static inline int disk_write(word sector, const void *from) { return (int)call(CALL_DISK, sector, (word)from, 1); }
static inline void info(struct info *to) { call(CALL_INFO, (word)to, 0, 0); }
static inline int status(int slot, struct status *to) { return (int)call(CALL_STATUS, slot, (word)to, 0); }
static inline int balloon_change(int pages) { return (int)call(CALL_BALLOON, pages, 0, 0); }
static inline void halt(int how) { call(CALL_HALT, how, 0, 0); }
static inline word ticks(void) { word value; __asm__ volatile("rdtime %0" : "=r"(value)); return value; }
static inline word instructions(void) { word value; __asm__ volatile("rdinstret %0" : "=r"(value)); return value; }

/* library.c */
void say(const char *format, ...); /* %u %d %x %s; one write for all of it */
word number(const char *text, word otherwise);
int same(const char *left, const char *right);
word length(const char *text);
void *memset(void *, int, size_t);
void *memcpy(void *, const void *, size_t);
int all_children(void);            /* waits for them all; how many ended with something else than 0 */
int child(void);                   /* fork, or the end of this program */

/* Every program: programs.c. */
typedef int program(int count, char **words);
struct entry {
  const char *name;
  program *run;
  const char *help;
};
extern const struct entry programs[];
program shell, help, echo, cat, count_program, ls, save, rm, format, disk, ps, memory, cpus, kill_program, sleep_program, true_program, false_program;
program syscalls, yields, pingpong, forks, spawns, faults, costs;
program chaos, balloon, walk, zero, copies, shared, hold, bad;
program locks, kernel_locks, pipes, primes, fair, idle, spin, beat;
#endif
