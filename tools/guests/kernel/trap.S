# Chapter 5: into the kernel and out of it. A trap changes pc and the privilege, nothing else: the registers are still those of the
# program, and one of them must be freed before any can be saved. That is what sscratch is for: while a process runs it holds the
# address of the frame where its registers go, while the kernel runs it holds 0.
#include "layout.h"

    .text
    .globl trap_entry, trap_return, switch_stacks
    .balign 4
trap_entry:
    csrrw sp, sscratch, sp
    bnez sp, from_process

    # The kernel itself was interrupted (only its idle loop lets that happen): the frame goes on the stack in use.
    csrrw sp, sscratch, zero
    addi sp, sp, -FRAME_BYTES
    sd t0, 5*8(sp)
    addi t0, sp, FRAME_BYTES
    sd t0, 2*8(sp)
    sd tp, FRAME_CPU(sp)
    j save

from_process:
    sd t0, 5*8(sp)
    csrrw t0, sscratch, zero    # the stack pointer of the process; and from now on this is the kernel
    sd t0, 2*8(sp)

save:
    sd ra, 1*8(sp)
    sd gp, 3*8(sp)
    sd tp, 4*8(sp)
    ld tp, FRAME_CPU(sp)
    .irp r, 6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd x\r, \r*8(sp)
    .endr
    csrr t0, sepc
    sd t0, 0(sp)
    csrr t0, sstatus
    sd t0, FRAME_STATUS(sp)
    mv a0, sp
    call trap
    mv a0, sp

# a0: the frame to go back to. Which hart this is may have changed since it was saved, so tp is put in anew.
trap_return:
    mv sp, a0
    sd tp, FRAME_CPU(sp)
    ld t0, 0(sp)
    csrw sepc, t0
    ld t0, FRAME_STATUS(sp)
    csrw sstatus, t0
    andi t0, t0, SSTATUS_SPP
    bnez t0, 1f
    csrw sscratch, sp
1:  ld ra, 1*8(sp)
    ld gp, 3*8(sp)
    .irp r, 5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld x\r, \r*8(sp)
    .endr
    # An interrupted idle loop may go on elsewhere? No: it belongs to its hart, so the tp that was saved is right for both.
    ld tp, 4*8(sp)
    ld sp, 2*8(sp)
    sret

# switch_stacks(uint64 *old, uint64 new): the whole context switch. C has already saved what a call may destroy; what a call must keep is
# pushed here, then the stack is changed, and the return is to wherever the other one called from.
switch_stacks:
    addi sp, sp, -112
    sd ra, 0(sp)
    .irp r, 0,1,2,3,4,5,6,7,8,9,10,11
    sd s\r, 8+\r*8(sp)
    .endr
    sd sp, 0(a0)
    mv sp, a1
    ld ra, 0(sp)
    .irp r, 0,1,2,3,4,5,6,7,8,9,10,11
    ld s\r, 8+\r*8(sp)
    .endr
    addi sp, sp, 112
    ret
