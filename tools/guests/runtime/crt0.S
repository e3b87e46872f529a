# Where every guest starts, in M-mode on all harts at once. Hart 0 runs `main`; the others run `main_secondary` if the guest has one.
# What main returns is the outcome: 0 passes, anything else fails with that code.
#include "board.h"
    .section .text.start, "ax"
    .globl _start
    .weak main_secondary
_start:
    csrr tp, mhartid
    la sp, stacks_end
    slli t0, tp, STACK_SHIFT
    sub sp, sp, t0
    la t0, unexpected_trap
    csrw mtvec, t0
    bnez tp, secondary
    call main
    call finish
secondary:
    la t0, main_secondary
    beqz t0, park
    mv a0, tp
    call main_secondary
park:
    wfi
    j park

# A trap that no guest asked for: code 100 + cause, so that it shows in the exit code.
    .balign 4
    .globl unexpected_trap
unexpected_trap:
    csrr a0, mcause
    csrr a1, mepc
    csrr a2, mtval
    call report_trap
    csrr a0, mcause
    andi a0, a0, 31
    addi a0, a0, 100
    call finish

# Called by the macros of check.h with the case in gp, what was seen in a2 and what was wanted in a3.
    .globl check_failed
check_failed:
    mv a0, gp
    mv a1, a2
    mv a2, a3
    call report_case
    li a0, 1
    call finish

    .bss
    .balign 16
stacks:
    .space HARTS_MAX << STACK_SHIFT
stacks_end:
