# Runs a script of single instructions, each in the privilege and with the registers that the script says, and writes down what came
# of it. The script is put into memory by who runs this (tools/differential): then two machines are compared by their notes.
#
#   SCRIPT: u64 count, then entries of 24 bytes: u32 instruction, u32 privilege, u64 a0, u64 a1
#   LOG: 12 words per entry; at the end everything from LOG to END goes to the console, raw.
#include "board.h"
#define SCRIPT 0x80100000
#define LOG 0x80140000
#define LOG_ENTRY 96
    .option norvc
    .text
    .globl main
main:
    la t0, machine_entry
    csrw mtvec, t0
    la t0, supervisor_entry
    csrw stvec, t0
    li t0, -1
    csrw pmpaddr0, t0
    csrw stimecmp, t0
    li t1, CLINT_MTIMECMP
    sd t0, 0(t1)
    li t0, 0x1f
    csrw pmpcfg0, t0
    li s0, SCRIPT
    ld s2, 0(s0)
    addi s0, s0, 8
    li s1, LOG
    beqz s2, finished
next_entry:
    lw t0, 0(s0)
    la t1, slot
    sw t0, 0(t1)
    fence.i
    csrw mepc, t1
    addi t1, t1, 4
    csrw sepc, t1
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    lw t0, 4(s0)
    slli t0, t0, 11
    csrs mstatus, t0
    ld a0, 8(s0)
    ld a1, 16(s0)
    li a2, 0x5555
    mret
    .balign 8
slot:
    nop
    ecall
    .balign 4
# Everything comes back here. MPRV first: with it the notes would go astray.
machine_entry:
    csrr t1, mstatus
    li t0, MSTATUS_MPRV
    csrc mstatus, t0
    csrr t0, mcause
    sd t0, 0(s1)
    csrr t2, mtval
    sd t2, 8(s1)
    csrr t2, mepc
    sd t2, 16(s1)
    li t2, 0x7e19aa
    and t1, t1, t2
    sd t1, 24(s1)
    sd a2, 32(s1)
    csrr t2, scause
    sd t2, 40(s1)
    csrr t2, stval
    sd t2, 48(s1)
    csrr t2, sepc
    sd t2, 56(s1)
    csrr t2, mip
    andi t2, t2, 0x222
    sd t2, 64(s1)
    csrr t2, satp
    sd t2, 72(s1)
    csrr t2, mie
    sd t2, 80(s1)
    csrr t2, sscratch
    sd t2, 88(s1)
    # An interrupt is noted once: then none is enabled until the script enables it again.
    bgez t0, 1f
    csrw mie, x0
1:  addi s0, s0, 24
    addi s1, s1, LOG_ENTRY
    addi s2, s2, -1
    bnez s2, next_entry
finished:
    csrw satp, x0
    li s0, LOG
    la s1, end_of_output
    ld s1, 0(s1)
1:  beq s0, s1, 2f
    lbu a0, 0(s0)
    call put_byte
    addi s0, s0, 1
    j 1b
2:  li a0, 0
    call finish
    .balign 4
# S-mode has its own notes in scause, stval and sepc; its call is never delegated.
supervisor_entry:
    ecall
    .data
    .balign 8
end_of_output:
    .dword 0x80160000
