/* Sv39: permissions, SUM and MXR, accessed and dirty bits set by hardware, superpages, non-canonical addresses, faulting halves. */
#include "runtime.h"

enum { V = 1, R = 2, W = 4, X = 8, U = 16, G = 32, A = 64, D = 128 };
enum kind { LOAD, STORE, FETCH };
#define NO_TRAP (~0ull)
#define AS_USER 0
#define AS_SUPERVISOR MSTATUS_MPP_S
#define PAGE 4096ull
/* Where the cases map things: root entry 1. */
#define WINDOW 0x40000000ull

typedef uint64_t table[512];
static table root __attribute__((aligned(4096)));
static table middle __attribute__((aligned(4096)));
static table leaves __attribute__((aligned(4096)));
static uint8_t frames[4][4096] __attribute__((aligned(4096)));

/* Tries one access with the given status bits, from M-mode through MPRV, or by going there; returns the cause or NO_TRAP. */
uint64_t try_access(uint64_t address, uint64_t kind, uint64_t status);
extern uint64_t caught_value, caught_pc;

__asm__(
    ".globl try_access\n"
    "try_access:\n"
    "  la t0, caught\n  csrrw t1, mtvec, t0\n"
    "  li t2, 0xe1800\n  csrc mstatus, t2\n  csrs mstatus, a2\n"
    "  li t3, 1\n  beq a1, t3, 1f\n  bgtu a1, t3, 2f\n"
    "  li t2, 0x20000\n  csrs mstatus, t2\n  lw t3, 0(a0)\n  j 3f\n"
    "1: li t2, 0x20000\n  csrs mstatus, t2\n  sw t3, 0(a0)\n"
    "3: li a0, -1\n  j 4f\n"
    "2: csrw mepc, a0\n  mret\n"
    ".balign 4\n"
    "caught: csrr a0, mcause\n"
    "4: li t2, 0x20000\n  csrc mstatus, t2\n"
    "  csrr t2, mtval\n  la t3, caught_value\n  sd t2, 0(t3)\n"
    "  csrr t2, mepc\n  la t3, caught_pc\n  sd t2, 0(t3)\n"
    "  csrw mtvec, t1\n  ret\n");
uint64_t caught_value, caught_pc;

static uint64_t leaf(const void *frame, uint64_t bits) { return ((uint64_t)frame >> 12 << 10) | bits; }
static void fence(void) { __asm__ volatile("sfence.vma" ::: "memory"); }

static int failures = 0;
static void check(const char *what, uint64_t seen, uint64_t wanted) {
  if (seen == wanted) return;
  failures++;
  put_text(what);
  put_text(": ");
  put_hex(seen);
  put_text(", not ");
  put_hex(wanted);
  put_byte('\n');
}

/* Maps frame 0 at WINDOW with the bits and tries the access; checks the cause and, after a fault, the value. */
static void with(const char *what, uint64_t bits, enum kind kind, uint64_t status, uint64_t wanted) {
  leaves[0] = leaf(frames[0], bits);
  *(uint32_t *)frames[0] = 0x00000073; /* ecall: tells that a fetch worked, and from which level */
  __asm__ volatile("fence.i");
  fence();
  check(what, try_access(WINDOW, kind, status), wanted);
  if (wanted == 12 || wanted == 13 || wanted == 15) check(what, caught_value, WINDOW);
}

static void permissions(void) {
  with("S loads S page", V | R | A | D, LOAD, AS_SUPERVISOR, NO_TRAP);
  with("S stores to read-only page", V | R | A | D, STORE, AS_SUPERVISOR, 15);
  with("S stores to S page", V | R | W | A | D, STORE, AS_SUPERVISOR, NO_TRAP);
  with("U loads S page", V | R | W | X | A | D, LOAD, AS_USER, 13);
  with("U stores to S page", V | R | W | X | A | D, STORE, AS_USER, 15);
  with("U fetches S page", V | R | W | X | A | D, FETCH, AS_USER, 12);
  with("S loads U page", V | R | W | U | A | D, LOAD, AS_SUPERVISOR, 13);
  with("S loads U page with SUM", V | R | W | U | A | D, LOAD, AS_SUPERVISOR | MSTATUS_SUM, NO_TRAP);
  with("S stores to U page with SUM", V | R | W | U | A | D, STORE, AS_SUPERVISOR | MSTATUS_SUM, NO_TRAP);
  with("S fetches U page with SUM", V | R | W | X | U | A | D, FETCH, AS_SUPERVISOR | MSTATUS_SUM, 12);
  with("U fetches U page", V | R | X | U | A | D, FETCH, AS_USER, 8);
  with("S fetches S page", V | X | A, FETCH, AS_SUPERVISOR, 9);
  with("S fetches a page without X", V | R | W | A | D, FETCH, AS_SUPERVISOR, 12);
  with("S loads execute-only page", V | X | A, LOAD, AS_SUPERVISOR, 13);
  with("S loads execute-only page with MXR", V | X | A, LOAD, AS_SUPERVISOR | MSTATUS_MXR, NO_TRAP);
  with("write without read is reserved", V | W | A | D, STORE, AS_SUPERVISOR, 15);
  with("not valid", R | W | X | A | D, LOAD, AS_SUPERVISOR, 13);
  with("a pointer at the last level", V, LOAD, AS_SUPERVISOR, 13);
  with("reserved bits", V | R | W | A | D | 1ull << 60, LOAD, AS_SUPERVISOR, 13);
}

static void accessed_and_dirty(void) {
  with("load sets A", V | R | W, LOAD, AS_SUPERVISOR, NO_TRAP);
  check("A after a load", leaves[0] & (A | D), A);
  check("store sets D", try_access(WINDOW, STORE, AS_SUPERVISOR), NO_TRAP);
  check("A and D after a store", leaves[0] & (A | D), A | D);
  with("store to a fresh page", V | R | W, STORE, AS_SUPERVISOR, NO_TRAP);
  check("A and D after the first store", leaves[0] & (A | D), A | D);
  with("fetch sets A", V | X | U, FETCH, AS_USER, 8);
  check("A after a fetch", leaves[0] & (A | D), A);
  with("a store that faults", V | R, STORE, AS_SUPERVISOR, 15);
  check("D after a store that faults", leaves[0] & D, 0);
  with("a load that faults", V | R | U, LOAD, AS_SUPERVISOR, 13);
  check("A after a load that faults", leaves[0] & A, 0);
}

static void superpages(void) {
  middle[1] = leaf((void *)RAM, V | R | W | X | A | D);
  fence();
  uint64_t inside = WINDOW + (1ull << 21) + ((uint64_t)frames[1] - RAM);
  frames[1][0] = 0x5a;
  check("megapage", try_access(inside, LOAD, AS_SUPERVISOR), NO_TRAP);
  middle[1] = leaf((void *)(RAM + PAGE), V | R | W | X | A | D);
  fence();
  check("misaligned megapage", try_access(inside, LOAD, AS_SUPERVISOR), 13);
  root[3] = leaf((void *)(RAM + (1 << 21)), V | R | W | X | A | D);
  fence();
  check("misaligned gigapage", try_access(0xc0000000ull, LOAD, AS_SUPERVISOR), 13);
  middle[1] = leaf(leaves, V | A);
  fence();
  check("a pointer with A set", try_access(WINDOW + (1ull << 21), LOAD, AS_SUPERVISOR), 13);
}

static void addresses(void) {
  const uint64_t wrong[] = {1ull << 38, 1ull << 39, 1ull << 63, 0x80000000ull | 1ull << 40, 0xffffff8000000000ull, 0xffffffbfffffffffull & ~7ull};
  for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    check("non-canonical load", try_access(wrong[i], LOAD, AS_SUPERVISOR), 13);
    check("its value", caught_value, wrong[i]);
    check("non-canonical store", try_access(wrong[i], STORE, AS_SUPERVISOR), 15);
    check("non-canonical fetch", try_access(wrong[i], FETCH, AS_SUPERVISOR), 12);
    check("its pc", caught_pc, wrong[i]);
  }
  root[256] = root[2];
  fence();
  check("the lowest address of the upper half", try_access(0xffffffc000000000ull, LOAD, AS_SUPERVISOR), NO_TRAP);
#ifdef STRICT /* QEMU 7.2 makes page faults of these. */
  root[5] = (0x18000000ull >> 12 << 10) | V;
  fence();
  check("table that is not memory, load", try_access(5ull << 30, LOAD, AS_SUPERVISOR), 5);
  check("table that is not memory, store", try_access(5ull << 30, STORE, AS_SUPERVISOR), 7);
  check("table that is not memory, fetch", try_access(5ull << 30, FETCH, AS_SUPERVISOR), 1);
#endif
}

/* A four-byte instruction, and a load, of which only the first half is mapped. */
static void halves(void) {
  uint64_t end = WINDOW + PAGE - 2;
  leaves[0] = leaf(frames[2], V | R | X | A);
  leaves[1] = 0;
  fence();
  frames[2][4094] = 0x13;
  frames[2][4095] = 0x05;
  __asm__ volatile("fence.i");
  check("straddling fetch", try_access(end, FETCH, AS_SUPERVISOR), 12);
  check("its value is the second page", caught_value, WINDOW + PAGE);
  check("its pc is the first", caught_pc, end);
  check("straddling load", try_access(end, LOAD, AS_SUPERVISOR), 13);
  check("its value is the second page", caught_value, WINDOW + PAGE);
  leaves[1] = leaf(frames[3], V | R | X | A);
  frames[3][0] = 0x15; /* li a0, 1 ends here; then c.unimp */
  frames[3][1] = 0x00;
  frames[3][2] = 0;
  frames[3][3] = 0;
  fence();
  __asm__ volatile("fence.i");
  check("straddling load, both mapped", try_access(end, LOAD, AS_SUPERVISOR), NO_TRAP);
  check("straddling fetch, both mapped", try_access(end, FETCH, AS_SUPERVISOR), 2);
  check("went on behind it", caught_pc, end + 4);
}

/* A changed mapping counts after sfence.vma; so does another root. */
static void changes(void) {
  for (int i = 0; i < 64; i++) {
    frames[0][0] = i;
    frames[1][0] = 64 + i;
    leaves[0] = leaf(frames[i & 1], V | R | W | U | A | D);
    __asm__ volatile("sfence.vma %0, zero" ::"r"(WINDOW) : "memory");
    uint64_t seen;
    __asm__ volatile("csrs mstatus, %1\n lbu %0, 0(%2)\n csrc mstatus, %1" : "=r"(seen) : "r"((uint64_t)MSTATUS_MPRV), "r"(WINDOW) : "memory");
    check("changed mapping", seen, (i & 1 ? 64 : 0) + i);
  }
}

int main(void) {
  write_csr(pmpaddr0, ~0ull);
  write_csr(pmpcfg0, 0x1f);
  root[1] = leaf(middle, V);
  root[2] = leaf((void *)RAM, V | R | W | X | A | D);
  middle[0] = leaf(leaves, V);
  uint64_t satp = 8ull << 60 | (uint64_t)root >> 12;
  write_csr(satp, satp);
  fence();
  permissions();
  accessed_and_dirty();
  superpages();
  addresses();
  halves();
  clear_csr(mstatus, MSTATUS_MPP);
  changes();
  if (failures == 0) put_text("paging: ok\n");
  return failures != 0;
}
