/* A kernel in `Image` form: starts in S-mode and lives on SBI: console, probe, timer, a second hart, interrupts between harts, fences, shutdown. */
#include "runtime.h"

struct answer {
  int64_t error;
  uint64_t value;
};

static struct answer sbi(uint64_t extension, uint64_t function, uint64_t a, uint64_t b, uint64_t c) {
  register uint64_t a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c, a3 __asm__("a3") = 0, a4 __asm__("a4") = 0;
  register uint64_t a6 __asm__("a6") = function, a7 __asm__("a7") = extension;
  __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a4), "r"(a6), "r"(a7) : "memory");
  return (struct answer){(int64_t)a0, a1};
}

#define BASE 0x10
#define TIME 0x54494d45
#define IPI 0x735049
#define RFENCE 0x52464e43
#define HSM 0x48534d
#define SRST 0x53525354
#define DBCN 0x4442434e

static volatile uint64_t second_started, second_argument, second_woken, timer_count;
extern void second_entry(void);
static uint8_t second_stack[4096] __attribute__((aligned(16), used));

__asm__(
    ".balign 4\n.globl second_entry\nsecond_entry:\n"
    "  la sp, second_stack + 4096\n  call second_main\n1: wfi\n  j 1b\n");

__attribute__((used)) static void second_main(uint64_t hart, uint64_t opaque) {
  second_argument = opaque;
  write_csr(sie, IRQ_SSI);
  second_started = hart + 1;
  while ((read_csr(sip) & IRQ_SSI) == 0) __asm__ volatile("wfi");
  clear_csr(sip, IRQ_SSI);
  second_woken = 1;
  sbi(HSM, 1, 0, 0, 0);
}

__attribute__((interrupt("supervisor"), aligned(4))) static void interrupted(void) {
  timer_count++;
  sbi(TIME, 0, ~0ull, 0, 0);
}

static int failures = 0;
static void say(const char *text) {
  for (; *text; text++) sbi(1, 0, *text, 0, 0);
}
static void check(const char *what, int good) {
  if (good) return;
  failures++;
  say(what);
  say(": failed\n");
}

/* Of two harts: firmware may start either. */
int kernel_main(uint64_t hart, const uint8_t *tree) {
  uint64_t other = 1 - hart, mask = 1ull << other;
  check("device tree in a1", tree && tree[0] == 0xd0 && tree[1] == 0x0d && tree[2] == 0xfe && tree[3] == 0xed);
  check("satp is bare", read_csr(satp) == 0);
  check("specification version", sbi(BASE, 0, 0, 0, 0).value >> 24 >= 1);
  check("probe of an extension that is there", sbi(BASE, 3, HSM, 0, 0).value != 0);
  check("probe of one that is not", sbi(BASE, 3, 0x12345, 0, 0).value == 0);
  check("a call that does not exist", sbi(0x12345, 0, 0, 0, 0).error == -2);
  write_csr(stvec, interrupted);
  uint64_t now = read_csr(time);
  sbi(TIME, 0, now + 2000, 0, 0);
  set_csr(sie, IRQ_STI);
  set_csr(sstatus, MSTATUS_SIE);
  while (timer_count == 0) {
  }
  check("not before its time", read_csr(time) >= now + 2000);
  clear_csr(sstatus, MSTATUS_SIE);
  check("second hart is stopped", sbi(HSM, 2, other, 0, 0).value == 1);
  check("second hart starts", sbi(HSM, 0, other, (uint64_t)second_entry, 77).error == 0);
  while (!second_started) {
  }
  check("its number and argument", second_started == other + 1 && second_argument == 77);
  check("it can not be started twice", sbi(HSM, 0, other, (uint64_t)second_entry, 0).error == -6);
  check("remote fence", sbi(RFENCE, 1, mask, 0, 0).error == 0);
  check("interrupt to it", sbi(IPI, 0, mask, 0, 0).error == 0);
  while (!second_woken) {
  }
  while (sbi(HSM, 2, other, 0, 0).value != 1) {
  }
  check("no hart 9", sbi(IPI, 0, 1, 9, 0).error == -3);
  if (failures == 0) say("sbi: ok\n");
  sbi(SRST, 0, 0, failures != 0, 0);
  for (;;) __asm__ volatile("wfi");
}
