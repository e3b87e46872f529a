# Chapter 0: what is below a kernel. All harts begin here in M-mode, at once. Firmware decides what S-mode may do by itself, and stays behind to answer what it may
# not: the kernel's ecall comes here exactly as a program's comes to the kernel.
#include "../layout.h"
#define STACK_SHIFT 12
#define DELEGATED_EXCEPTIONS 0xb1ff   /* all but the calls of S- and M-mode */
#define DELEGATED_INTERRUPTS 0x222    /* software, timer, external: of S-mode */
#define MSTATUS_MPP_S (1 << 11)
#define SOFTWARE_MACHINE (1 << 3)
#define STCE (1 << 63)

    .section .text.start, "ax"
    .globl firmware
firmware:
    csrr t0, mhartid
    la sp, stacks
    addi t1, t0, 1
    slli t1, t1, STACK_SHIFT
    add sp, sp, t1
    csrw mscratch, sp
    la t1, machine_trap
    csrw mtvec, t1
    li t1, DELEGATED_EXCEPTIONS
    csrw medeleg, t1
    li t1, DELEGATED_INTERRUPTS
    csrw mideleg, t1
    li t1, 7                    # time, cycle and instret may be read below
    csrw mcounteren, t1
    li t1, STCE                 # and S-mode has an alarm of its own
    csrw 0x30a, t1              # menvcfg
    li t1, -1                   # one range of memory, all of it, for everything
    csrw pmpaddr0, t1
    li t1, 0x1f
    csrw pmpcfg0, t1
    csrwi satp, 0
    li t1, SOFTWARE_MACHINE
    csrw mie, t1
    bnez t0, parked
    mv s0, a1                   # the device tree
    li s1, 0x80200000           # the kernel
    j enter

# Harts but the first wait until the kernel asks for them: firmware.c puts address and argument where they look.
parked:
    la s2, start_address
    slli t1, t0, 3
    add s2, s2, t1
1:  wfi
    ld s1, 0(s2)
    beqz s1, 1b
    la s2, start_argument
    add s2, s2, t1
    ld s0, 0(s2)
    slli t1, t0, 2              # take back the interrupt that woke it
    li t2, 0x02000000
    add t1, t1, t2
    sw zero, 0(t1)

enter:
    csrw mepc, s1
    li t1, 3 << 11
    csrc mstatus, t1
    li t1, MSTATUS_MPP_S
    csrs mstatus, t1
    mv a0, t0
    mv a1, s0
    mret

# Registers to a frame on this hart's stack; C answers; back to where it came from.
    .balign 4
machine_trap:
    csrrw sp, mscratch, sp
    addi sp, sp, -FRAME_BYTES
    .irp r, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd x\r, \r*8(sp)
    .endr
    mv a0, sp
    call machine_trapped
    .irp r, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld x\r, \r*8(sp)
    .endr
    addi sp, sp, FRAME_BYTES
    csrrw sp, mscratch, sp
    mret

    .bss
    .balign 16
stacks:
    .space HARTS_MAX << STACK_SHIFT

    .section .kernel, "a"
    .incbin KERNEL_IMAGE_FILE
