/*
 * A kernel of the smallest size that does what Lmbench measures of big ones: null call, context switch, page fault, a fork-like call, and a
 * walk over more pages than a TLB holds. The command line says which and how often, and how the kernel goes about it:
 *
 *   micro=<what>,<count>   what: 0 null call, 1 context switch, 2 page fault, 3 fork-like, 4 working set of 96 pages
 *   soft                   fill a software TLB (satp mode 14) in place of Sv39 tables
 *   split                  tables of its own for the kernel, changed on each way in and out, as xv6 does
 *   para                   ask the VMM for page-table updates, address spaces and zeroed pages (hypercalls)
 */
#include "runtime.h"

enum { V = 1, R = 2, W = 4, X = 8, U = 16, G = 32, A = 64, D = 128 };
#define PAGE 4096ull
#define USER_CODE 0x40000000ull
#define USER_DATA 0x40100000ull
#define DATA_PAGES 96
#define FORKED_PAGES 16
#define POOL 0x80400000ull
#define PAGES_MAX 1024
#define SATP_SV39 (8ull << 60)
#define SATP_SOFT (14ull << 60)
#define HYPERCALL 0x0A004250
enum { UPDATE_TABLES = 2, ZERO_PAGE = 4, SWITCH = 7 };

struct frame {
  uint64_t x[32];
  uint64_t pc;
  uint64_t satp;
};
struct process {
  struct frame frame; /* first: the assembler has its address */
  uint64_t *root;
};
/* +16: the root that the refill handler walks. */
struct refill_frame {
  uint64_t saved[2];
  uint64_t *root;
  uint64_t more[5];
};

extern uint8_t user_code[];
void trap_entry(void);
void refill(void);
void return_to_user(struct frame *frame) __attribute__((noreturn));

uint64_t split; /* satp of the kernel's own tables, or 0 */
struct frame *current_frame;
static struct process processes[3];
static struct process *current;
static struct refill_frame refill_frame __attribute__((aligned(64)));
uint64_t para;
static uint64_t what, count, soft;
static uint64_t free_pages[PAGES_MAX];
static uint64_t free_count;
/* Page-table entries that wait for one hypercall. */
static uint64_t updates[2 * 256];
static uint64_t update_count;

static uint64_t hypercall(uint64_t function, uint64_t first, uint64_t second) {
  register uint64_t a0 __asm__("a0") = first;
  register uint64_t a1 __asm__("a1") = second;
  register uint64_t a6 __asm__("a6") = function;
  register uint64_t a7 __asm__("a7") = HYPERCALL;
  __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a6), "r"(a7) : "memory");
  if (a0 != 0) finish(90);
  return a1;
}

static void clear(uint64_t page) {
  if (para) {
    hypercall(ZERO_PAGE, page, 0);
    return;
  }
  for (uint64_t *word = (uint64_t *)page; word < (uint64_t *)(page + PAGE); word++) *word = 0;
}

static uint64_t new_page(void) {
  if (free_count == 0) finish(91);
  return free_pages[--free_count];
}

static void flush_updates(void) {
  if (update_count > 0) hypercall(UPDATE_TABLES, (uint64_t)updates, update_count);
  update_count = 0;
}

static void set_entry(uint64_t *at, uint64_t value) {
  if (!para) {
    *at = value;
    return;
  }
  if (update_count == 256) flush_updates();
  updates[2 * update_count] = (uint64_t)at;
  updates[2 * update_count + 1] = value;
  update_count++;
}

static uint64_t *new_table(void) {
  uint64_t page = new_page();
  clear(page);
  return (uint64_t *)page;
}

/* The entry of a user page; makes the tables on the way. */
static uint64_t *entry_of(uint64_t *root, uint64_t address) {
  uint64_t *table = root;
  for (int level = 2; level > 0; level--) {
    uint64_t *at = &table[address >> (12 + 9 * level) & 511];
    if ((*at & V) == 0) {
      uint64_t *next = new_table();
      *at = ((uint64_t)next >> 12 << 10) | V; /* a table that nobody walked yet */
    }
    table = (uint64_t *)(*at >> 10 << 12);
  }
  return &table[address >> 12 & 511];
}

static void map(uint64_t *root, uint64_t address, uint64_t page, uint64_t bits) {
  set_entry(entry_of(root, address), (page >> 12 << 10) | bits | V | U | A | D);
}

static uint64_t *new_root(void) {
  uint64_t *root = new_table();
  root[0] = V | R | W | A | D | G;
  root[2] = (RAM >> 12 << 10) | V | R | W | X | A | D | G;
  return root;
}

static void fence(void) { __asm__ volatile("sfence.vma" ::: "memory"); }

static void make(struct process *process, uint64_t asid) {
  process->root = new_root();
  process->frame.satp = soft ? SATP_SOFT | asid << 44 : SATP_SV39 | asid << 44 | (uint64_t)process->root >> 12;
}

static void activate(struct process *process) {
  refill_frame.root = process->root;
  current = process;
  if (split) return; /* the way out does it */
  if (para) hypercall(SWITCH, process->frame.satp, 0);
  else __asm__ volatile("csrw satp, %0" ::"r"(process->frame.satp) : "memory");
}

static void give_back(uint64_t *table, int level) {
  for (int i = 0; i < 512; i++) {
    uint64_t entry = table[i];
    if ((entry & V) == 0 || (entry & G) != 0) continue;
    if (level > 0) give_back((uint64_t *)(entry >> 10 << 12), level - 1);
    else free_pages[free_count++] = entry >> 10 << 12;
  }
  free_pages[free_count++] = (uint64_t)table;
}

static void fork_like(void) {
  struct process *child = &processes[2];
  make(child, 3);
  for (uint64_t i = 0; i <= FORKED_PAGES; i++) {
    uint64_t address = i == FORKED_PAGES ? USER_CODE : USER_DATA + i * PAGE;
    uint64_t *from = (uint64_t *)(*entry_of(current->root, address) >> 10 << 12);
    uint64_t *to = (uint64_t *)new_page();
    for (uint64_t word = 0; word < PAGE / 8; word++) to[word] = from[word];
    map(child->root, address, (uint64_t)to, i == FORKED_PAGES ? R | X : R | W);
  }
  flush_updates();
  for (int i = 0; i < 32; i++) child->frame.x[i] = current->frame.x[i];
  child->frame.pc = current->frame.pc;
  child->frame.x[10] = 1;
  activate(child);
  fence();
}

static void page_fault(void) {
  uint64_t address = read_csr(stval);
  if (address < USER_DATA || address >= USER_DATA + (1ull << 24)) finish(92);
  uint64_t page = new_page();
  clear(page);
  map(current->root, address & ~(PAGE - 1), page, R | W);
  flush_updates();
  __asm__ volatile("sfence.vma %0, zero" ::"r"(address) : "memory");
}

static void call(void) {
  current->frame.pc += 4;
  switch (current->frame.x[17]) {
    case 0:
      current->frame.x[10] = current == processes ? 1 : 2;
      return;
    case 1:
      return activate(current == processes ? &processes[1] : &processes[0]);
    case 3:
      return fork_like();
    case 4: {
      struct process *child = current;
      activate(&processes[0]);
      fence();
      give_back(child->root, 2);
      current->frame.x[10] = 0;
      return;
    }
    default:
      put_text("micro: ok\n");
      finish(0);
  }
}

struct frame *on_trap(uint64_t cause) {
  if (cause == 8) call();
  else if (cause == 12 || cause == 13 || cause == 15 || (cause >= 24 && cause <= 26)) page_fault();
  else finish(93);
  return &current->frame;
}

static void start_tlb(void) {
#define tlb_csr(number, value) __asm__ volatile("csrw " #number ", %0" ::"r"((uint64_t)(value)) : "memory")
  tlb_csr(0x5c0, RAM | 2);
  tlb_csr(0x5c1, 0);
  tlb_csr(0x5c5, (RAM >> 12 << 10) | V | R | W | X | A | D | G);
  tlb_csr(0x5c0, 2);
  tlb_csr(0x5c1, 1);
  tlb_csr(0x5c5, V | R | W | A | D | G);
  tlb_csr(0x5c3, 2);
  tlb_csr(0x5c8, refill);
  tlb_csr(0x5c9, &refill_frame);
}

static void kernel(void) {
  for (uint64_t i = 0; i < PAGES_MAX; i++) free_pages[i] = POOL + (PAGES_MAX - 1 - i) * PAGE;
  free_count = PAGES_MAX;
  if (soft) start_tlb();
  if (split) split = soft ? SATP_SOFT : SATP_SV39 | (uint64_t)new_root() >> 12;
  for (uint64_t i = 0; i < 2; i++) {
    struct process *process = &processes[i];
    make(process, i + 1);
    map(process->root, USER_CODE, (uint64_t)user_code, R | X);
    for (uint64_t page = 0; page < DATA_PAGES; page++) {
      uint64_t at = new_page();
      clear(at);
      map(process->root, USER_DATA + page * PAGE, at, R | W);
    }
    process->frame.pc = USER_CODE;
    process->frame.x[10] = what;
    process->frame.x[11] = count;
  }
  flush_updates();
  write_csr(stvec, trap_entry);
  clear_csr(sstatus, MSTATUS_SPP);
  activate(&processes[0]);
  if (split) __asm__ volatile("csrw satp, %0" ::"r"(split) : "memory");
  fence();
  return_to_user(&current->frame);
}

/* Finds `word` in the command line: behind it, or 0. */
static const char *find(const char *tree, uint64_t bytes, const char *word) {
  for (uint64_t at = 0; at < bytes; at++) {
    uint64_t length = 0;
    while (word[length] != 0 && tree[at + length] == word[length]) length++;
    if (word[length] == 0) return tree + at + length;
  }
  return 0;
}

static uint64_t number(const char **text) {
  uint64_t value = 0;
  while (**text >= '0' && **text <= '9') value = 10 * value + *(*text)++ - '0';
  return value;
}

int main(uint64_t hart, const char *tree) {
  (void)hart;
  /* The size of a device tree is its second word, big-endian. */
  uint64_t bytes = __builtin_bswap32(*(const uint32_t *)(tree + 4));
  const char *text = find(tree, bytes, "micro=");
  if (text == 0) return 94;
  what = number(&text);
  text++;
  count = number(&text);
  soft = find(tree, bytes, " soft") != 0;
  para = find(tree, bytes, " para") != 0;
  split = find(tree, bytes, " split") != 0;
  write_csr(pmpaddr0, ~0ull);
  write_csr(pmpcfg0, 0x1f);
  write_csr(medeleg, 0xf00b1ff);
  clear_csr(mstatus, MSTATUS_MPP);
  set_csr(mstatus, MSTATUS_MPP_S);
  __asm__ volatile("csrw mepc, %0\n mv sp, %1\n mret" ::"r"(kernel), "r"(POOL - 16));
  return 95;
}
