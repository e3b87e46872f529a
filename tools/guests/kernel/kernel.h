/* What the chapters know of each other. Each paragraph belongs to the file that it names. */
#ifndef KERNEL_H
#define KERNEL_H
#include <stdint.h>
#include <stddef.h>
#include "layout.h"
#include "calls.h"

typedef uint64_t uint64;
typedef uint32_t uint32;

/* The machine, as the device tree describes it: device-tree.c. */
#define DISKS_MAX 8
struct machine {
  uint64 memory_start, memory_end;
  uint64 ticks_per_second;
  int harts;
  uint64 hart_id[HARTS_MAX];
  int has_stimecmp;
  uint64 uart, plic;
  int uart_interrupt;
  int virtio_slots;
  uint64 virtio[DISKS_MAX];
  int virtio_interrupt[DISKS_MAX];
  char arguments[512];
};
extern struct machine machine;
void read_device_tree(const void *tree);
/* Is `name` among the boot arguments? Then what follows `name=`, else 0. */
const char *boot_argument(const char *name);

/* CSRs and firmware: sbi.c. */
#define csr_read(name) ({ uint64 csr_value; __asm__ volatile("csrr %0, " #name : "=r"(csr_value)); csr_value; })
#define csr_write(name, value) __asm__ volatile("csrw " #name ", %0" ::"r"((uint64)(value)) : "memory")
#define csr_set(name, value) __asm__ volatile("csrs " #name ", %0" ::"r"((uint64)(value)) : "memory")
#define csr_clear(name, value) __asm__ volatile("csrc " #name ", %0" ::"r"((uint64)(value)) : "memory")
#define INTERRUPT_SOFTWARE (1 << 1)
#define INTERRUPT_TIMER (1 << 5)
#define INTERRUPT_EXTERNAL (1 << 9)
#define NEVER (~0ull)
void sbi_set_timer(uint64 when);
void sbi_send_interrupt(uint64 hart_id);
int sbi_start_hart(uint64 hart_id, uint64 entry, uint64 argument);
void sbi_power_off(int failed) __attribute__((noreturn));
void sbi_restart(void) __attribute__((noreturn));

/* Locks: lock.c. */
struct lock {
  const char *name;
  volatile uint32 held;            /* spin */
  volatile uint32 next, serving;   /* ticket */
  uint64 taken, waited;            /* how often; and how many times around the waiting loop */
};
/* A lock that is always there. All of them lie side by side, so that they can be counted up. */
#define LOCK __attribute__((section(".locks"))) struct lock
extern struct lock locks_begin[], locks_end[];
void lock(struct lock *);
void unlock(struct lock *);
void choose_locks(void);
#ifdef BIGLOCK
void enter_kernel(void);
void leave_kernel(void);
#else
static inline void enter_kernel(void) {}
static inline void leave_kernel(void) {}
#endif

/* Frames of memory: frames.c. A frame is known by the address at which the kernel sees it. */
void frames_begin(void);
void *frame_take(void);            /* zeroed; 0 if there is none left */
void *frame_take_dirty(void);      /* for those who overwrite it at once */
void frame_share(void *);          /* one more owner */
void frame_release(void *);        /* one fewer; the last frees it */
int frame_owners(void *);
uint64 frames_free(void);
static inline uint64 physical(const void *kernel_address) { return (uint64)kernel_address - KERNEL_OFFSET; }
static inline void *kernel_view(uint64 physical_address) { return (void *)(physical_address + KERNEL_OFFSET); }

/* Address spaces: paging.c. */
typedef uint64 entry;
#define ENTRY_VALID (1 << 0)
#define ENTRY_READ (1 << 1)
#define ENTRY_WRITE (1 << 2)
#define ENTRY_EXECUTE (1 << 3)
#define ENTRY_USER (1 << 4)
#define ENTRY_ACCESSED (1 << 6)
#define ENTRY_DIRTY (1 << 7)
#define ENTRY_COPY (1 << 8)        /* ours: writable after a copy */
#define ENTRY_SHARED (1 << 9)      /* ours: a child gets the same frame, not a copy */
extern entry kernel_table[];
extern char refill[];
enum access { LOADING, STORING, EXECUTING };
struct process;
entry *table_new(void);
void table_free(entry *root);
int table_copy(entry *from, entry *to);
void space_enter(struct process *);   /* this hart sees what that process sees */
void space_leave(void);               /* this hart sees the kernel only */
int page_fault(struct process *, uint64 address, enum access);
int share_pages(struct process *, int pages);
void heap_shrink(struct process *, uint64 from, uint64 to);
/* 0 if any byte may not be reached by the process itself. */
int copy_from_process(struct process *, void *to, uint64 from, uint64 bytes);
int copy_to_process(struct process *, uint64 to, const void *from, uint64 bytes);
int text_from_process(struct process *, char *to, uint64 from, uint64 bytes_max);

/* Processes and who runs: process.c, schedule.c. */
struct frame {
  uint64 pc, x[31];                /* x[n - 1] is register n */
  uint64 status;
  struct cpu *cpu;
};
#define A0 9                       /* index of register a0 in x */
#define A7 16
#define SP 1
enum state { UNUSED, READY, RUNNING, SLEEPING, ENDED };
struct file;
struct process {
  enum state state;
  int id, killed, exit_code;
  struct process *parent;
  struct process *next;            /* in the ready queue */
  const void *waits_for;           /* whoever sleeps, sleeps on some address */
  uint64 wakes_at;                 /* a sleeper with a clock; NEVER otherwise */
  entry *root;
  uint32 space;                    /* software TLB: what its translations are tagged with; 0: none yet */
  struct cpu *space_cpu;           /* and the hart where they are */
  uint64 heap_end;
  int shared_pages;
  void *stack;                     /* kernel stack: one frame, its top is `frame` */
  struct frame *frame;
  uint64 saved_sp;                 /* where switch_stacks left off */
  struct file *files[FILES_MAX];
  char name[16];
  uint64 ran_ticks, began_at;
};
#define PROCESSES_MAX 64
#define CHANGES_MAX 32
extern struct process processes[PROCESSES_MAX];
extern struct lock table_lock;
struct cpu {
  struct { uint64 t5, t6, root, t3, t4; } refill __attribute__((aligned(64)));   /* software TLB: refill.S knows the order */
  uint32 generation;
  struct { uint64 address, value; } changes[CHANGES_MAX] __attribute__((aligned(8))); /* of page tables, for the hypervisor: paging.c */
  int changes_count;
  struct process *current;
  struct process idle;
  uint64 hart_id, slice_end;
  volatile int idling;
  uint64 traps, system_calls, faults, switches, interrupts, idle_ticks;
};
extern struct cpu cpus[HARTS_MAX];
static inline struct cpu *this_cpu(void) { struct cpu *cpu; __asm__ volatile("mv %0, tp" : "=r"(cpu)); return cpu; }
static inline struct process *this_process(void) { return this_cpu()->current; }
void process_first(void);
int process_fork(void);
int process_exec(uint64 arguments, int count);
void process_exit(int code) __attribute__((noreturn));
int process_wait(uint64 code_address);
int process_kill(int id);
void kill_all_but_first(void);
void schedule_begin(void);
void schedule(void);
void yield(void);
void sleep_on(const void *what, struct lock *held);
void sleep_until(uint64 ticks);
void wake_all(const void *what);
void make_ready(struct process *);
void idle_forever(void) __attribute__((noreturn));
void switch_stacks(uint64 *old, uint64 new);
void trap_return(struct frame *) __attribute__((noreturn));
extern char trap_entry[], secondary_start[], image_end[], user_image[], user_image_end[];

/* Time: clock.c. */
uint64 now(void);
void clock_begin(void);
void clock_set(uint64 when);

/* Traps and system calls: trap.c, system-call.c. */
void trap(struct frame *);
void interrupt(uint64 cause);
void system_call(struct frame *);

/* Devices: plic.c, console.c, disk.c. */
void plic_begin(void);
void plic_begin_hart(struct cpu *);
void plic_interrupt(void);
void console_begin(void);
void console_interrupt(void);
int console_read(uint64 to, uint64 bytes);
int console_write(uint64 from, uint64 bytes);
void put(char);
void print(const char *format, ...);   /* %d %u %x %s %c */
void panic(const char *why) __attribute__((noreturn));
void disk_begin(void);
void disk_interrupt(int slot);
int disk_transfer(uint64 sector, uint64 address, int writes);
uint64 disk_sectors(void);

/* Files that are no files: the console and pipes: pipe.c. */
int file_read(struct file *, uint64 to, uint64 bytes);
int file_write(struct file *, uint64 from, uint64 bytes);
void file_share(struct file *);
void file_close(struct file *);
struct file *file_console(void);
int pipe_make(struct file **reading, struct file **writing);

/* What the hypervisor offers to those who ask: para.c. */
extern int para;
void para_begin(void);
void para_yield(void);
int para_zero_page(void *frame);
int para_change_tables(const void *list, int count);
void para_switch(uint64 satp);
int para_balloon(void *list, int count, int out);
int64_t para_balloon_target(void);
int balloon_change(int pages);
void balloon_follow(void);

/* Bytes and text: memory.c. */
void *memset(void *, int, size_t);
void *memcpy(void *, const void *, size_t);
int text_equal(const char *, const char *);
uint64 text_number(const char *);
#endif
