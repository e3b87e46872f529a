/* Interrupts: timer and software of M-mode, Sstc and software of S-mode, vectored entry, wfi, what is pending right after a return. */
#include "runtime.h"

#define SLICE 2000 /* ticks: 0.2 ms */
static volatile uint64_t *const mtime = (uint64_t *)CLINT_MTIME;
static volatile uint64_t *const mtimecmp = (uint64_t *)CLINT_MTIMECMP;
static volatile uint32_t *const msip = (uint32_t *)CLINT;

volatile uint64_t machine_count, machine_cause, machine_pc, supervisor_count, supervisor_cause, supervisor_pc;
void machine_vector(void);
void machine_entry(void);
void supervisor_entry(void);
void go(uint64_t pc, uint64_t previous);
extern char user_loop[], user_end[], supervisor_return[];

/* M-mode: counts, silences the source, returns. A call from below returns to whoever called `go`. */
__asm__(
    ".balign 256\n"
    "machine_vector:\n"
    "  j machine_entry\n .balign 4\n  j unexpected_trap\n .balign 4\n  j unexpected_trap\n .balign 4\n"
    "  j machine_entry\n .balign 4\n  j unexpected_trap\n .balign 4\n  j unexpected_trap\n .balign 4\n  j unexpected_trap\n .balign 4\n"
    "  j machine_entry\n"
    ".balign 4\n"
    "machine_entry:\n"
    "  csrw mscratch, t0\n"
    "  csrr t0, mcause\n  bgez t0, 1f\n"
    "  addi sp, sp, -32\n  sd t1, 0(sp)\n  sd t2, 8(sp)\n"
    "  la t1, machine_cause\n  sd t0, 0(t1)\n"
    "  la t1, machine_count\n  ld t2, 0(t1)\n  addi t2, t2, 1\n  sd t2, 0(t1)\n"
    "  la t1, machine_pc\n  csrr t2, mepc\n  sd t2, 0(t1)\n"
    "  li t1, 0x02000000\n  sw zero, 0(t1)\n"
    "  li t1, 0x02004000\n  li t2, -1\n  sd t2, 0(t1)\n"
    "  ld t1, 0(sp)\n  ld t2, 8(sp)\n  addi sp, sp, 32\n"
    "  csrr t0, mscratch\n  mret\n"
    "1: li t1, 11\n  bgtu t0, t1, unexpected_trap\n  li t1, 8\n  bltu t0, t1, unexpected_trap\n"
    "  li t0, 0x1800\n  csrs mstatus, t0\n  csrw mepc, s11\n  mret\n"
    /* S-mode: counts, clears SSIP, moves stimecmp away. */
    ".balign 4\n"
    "supervisor_entry:\n"
    "  csrw sscratch, t0\n"
    "  addi sp, sp, -32\n  sd t1, 0(sp)\n  sd t2, 8(sp)\n"
    "  csrr t0, scause\n  la t1, supervisor_cause\n  sd t0, 0(t1)\n"
    "  la t1, supervisor_count\n  ld t2, 0(t1)\n  addi t2, t2, 1\n  sd t2, 0(t1)\n"
    "  la t1, supervisor_pc\n  csrr t2, sepc\n  sd t2, 0(t1)\n"
    "  csrci sip, 2\n"
    "  csrr t0, scause\n  andi t0, t0, 15\n  li t1, 5\n  bne t0, t1, 1f\n"
    "  li t2, -1\n  csrw stimecmp, t2\n"
    "1: ld t1, 0(sp)\n  ld t2, 8(sp)\n  addi sp, sp, 32\n"
    "  csrr t0, sscratch\n  sret\n"
    /* Goes to a0 with the previous privilege in a1; comes back at the next call from there. */
    "go:\n"
    "  addi sp, sp, -16\n  sd s11, 0(sp)\n  sd ra, 8(sp)\n"
    "  la s11, 1f\n  csrw mepc, a0\n  li t0, 0x1800\n  csrc mstatus, t0\n  csrs mstatus, a1\n  mret\n"
    ".balign 4\n"
    "1: ld s11, 0(sp)\n  ld ra, 8(sp)\n  addi sp, sp, 16\n  ret\n"
    /* A tight loop that only an interrupt can end: it waits for the S-mode count to move. */
    ".balign 4\n"
    "user_loop: la a2, supervisor_count\n  ld a3, 0(a2)\n"
    "1: ld a4, 0(a2)\n  beq a3, a4, 1b\n"
    "  ecall\n"
    "user_end: ecall\n"
    /* S-mode: returns to U-mode at user_end with SSIP pending and SPIE set. */
    ".balign 4\n"
    "supervisor_return: la t0, user_end\n  csrw sepc, t0\n  li t0, 0x100\n  csrc sstatus, t0\n  csrsi sip, 2\n  sret\n");

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

static void machine_interrupts(void) {
  write_csr(mie, IRQ_MTI | IRQ_MSI);
  set_csr(mstatus, MSTATUS_MIE);
  *mtimecmp = *mtime + SLICE;
  while (machine_count == 0) {
  }
  check("timer cause", machine_cause, 1ull << 63 | 7);
  check("MTIP after mtimecmp moved away", read_csr(mip) & IRQ_MTI, 0);
  *msip = 1;
  while (machine_count == 1) {
  }
  check("software cause", machine_cause, 1ull << 63 | 3);
  check("MSIP after msip fell", read_csr(mip) & IRQ_MSI, 0);
  /* With MIE off wfi still wakes, and nothing is taken until MIE is on. */
  clear_csr(mstatus, MSTATUS_MIE);
  *mtimecmp = *mtime + SLICE;
  while ((read_csr(mip) & IRQ_MTI) == 0) __asm__ volatile("wfi");
  check("taken with MIE off", machine_count, 2);
  set_csr(mstatus, MSTATUS_MIE);
  check("taken as soon as MIE is on", machine_count, 3);
  uint64_t before = read_csr(time);
  while (read_csr(time) == before) {
  }
  check("time goes on", read_csr(time) > before, 1);
  /* Both at once: software comes before the timer in the order of priorities. */
  clear_csr(mstatus, MSTATUS_MIE);
  *mtimecmp = 0;
  *msip = 1;
  while ((read_csr(mip) & (IRQ_MTI | IRQ_MSI)) != (IRQ_MTI | IRQ_MSI)) {
  }
  set_csr(mstatus, MSTATUS_MIE);
  check("first of two", machine_cause, 1ull << 63 | 3);
  write_csr(mie, 0);
}

static void supervisor_interrupts(void) {
  write_csr(mideleg, IRQ_SSI | IRQ_STI);
  write_csr(stvec, supervisor_entry);
  write_csr(mcounteren, 7);
  set_csr(menvcfg, 1ull << 63);
  check("STIP can not be written under Sstc", ({ set_csr(mip, IRQ_STI); write_csr(stimecmp, ~0ull); read_csr(mip) & IRQ_STI; }), 0);
  write_csr(stimecmp, 0);
  check("STIP is the comparison", read_csr(mip) & IRQ_STI, IRQ_STI);
  check("a delegated interrupt is not taken in M-mode", supervisor_count, 0);
  /* The timer interrupts a tight loop in U-mode, though SIE is off. */
  write_csr(stimecmp, *mtime + SLICE);
  write_csr(mie, IRQ_STI);
  go((uint64_t)user_loop, 0);
  check("timer in U-mode", supervisor_cause, 1ull << 63 | 5);
  check("count", supervisor_count, 1);
  /* Pending when mret leaves M-mode: taken before the first instruction. */
  write_csr(mie, IRQ_SSI);
  set_csr(mip, IRQ_SSI);
  go((uint64_t)user_end, 0);
  check("pending at mret", supervisor_count, 2);
  check("its pc", supervisor_pc, (uint64_t)user_end);
  check("its cause", supervisor_cause, 1ull << 63 | 1);
  /* Pending when sret leaves S-mode: the same. */
  go((uint64_t)supervisor_return, MSTATUS_MPP_S);
  check("pending at sret", supervisor_count, 3);
  check("its pc", supervisor_pc, (uint64_t)user_end);
  /* In S-mode SIE decides. */
  clear_csr(mstatus, MSTATUS_SIE | MSTATUS_SPIE);
  set_csr(mip, IRQ_SSI);
  go((uint64_t)user_end, MSTATUS_MPP_S);
  check("S-mode with SIE off", supervisor_count, 3);
  set_csr(mstatus, MSTATUS_SIE);
  go((uint64_t)user_end, MSTATUS_MPP_S);
  check("S-mode with SIE on", supervisor_count, 4);
}

int main(void) {
  write_csr(pmpaddr0, ~0ull);
  write_csr(pmpcfg0, 0x1f);
  write_csr(mtvec, (uint64_t)machine_vector | 1);
  machine_interrupts();
  write_csr(mtvec, machine_entry);
  supervisor_interrupts();
  if (failures == 0) put_text("timer: ok\n");
  return failures != 0;
}
