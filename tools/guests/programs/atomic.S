# RV64A on one hart: every AMO in both widths, sign extension of results, LR/SC and when SC must fail.
#include "check.h"
# The old value comes out, the new one stays.
.macro amo op, store, load, old, operand, result, left
    next
    la a0, word
    li a1, \old
    sd zero, 0(a0)
    \store a1, 0(a0)
    li a1, \operand
    \op a2, a1, (a0)
    want \result
    next
    \load a2, 0(a0)
    want \left
.endm
begin
    amo amoswap.w, sw, lw, 0x80000000, 5, -0x80000000, 5
    amo amoadd.w, sw, lw, 0x7fffffff, 1, 0x7fffffff, -0x80000000
    amo amoxor.w, sw, lw, 12, 10, 12, 6
    amo amoand.w, sw, lw, -1, 0x80000000, -1, -0x80000000
    amo amoor.w, sw, lw, 12, 3, 12, 15
    amo amomin.w, sw, lw, -1, 1, -1, -1
    amo amomax.w, sw, lw, -1, 1, -1, 1
    amo amominu.w, sw, lw, -1, 1, -1, 1
    amo amomaxu.w, sw, lw, -1, 1, -1, -1
    # The upper half of the register plays no part in a word operation.
    amo amomax.w, sw, lw, 1, 0x7fffffff80000000, 1, 1
    amo amomaxu.w, sw, lwu, 1, 0xf80000000, 1, 0x80000000
    amo amoswap.d, sd, ld, 0x8000000000000000, 5, 0x8000000000000000, 5
    amo amoadd.d, sd, ld, 0x7fffffffffffffff, 1, 0x7fffffffffffffff, 0x8000000000000000
    amo amoxor.d, sd, ld, 12, 10, 12, 6
    amo amoand.d, sd, ld, -1, 0x80000000, -1, 0x80000000
    amo amoor.d, sd, ld, 12, 3, 12, 15
    amo amomin.d, sd, ld, -1, 1, -1, -1
    amo amomax.d, sd, ld, -1, 1, -1, 1
    amo amominu.d, sd, ld, -1, 1, -1, 1
    amo amomaxu.d, sd, ld, -1, 1, -1, -1
    # A word AMO leaves the other half of the double word alone.
    next
    la a0, word
    li a1, 0x1111111122222222
    sd a1, 0(a0)
    addi a0, a0, 4
    li a1, 0x33333333
    amoadd.w.aqrl a2, a1, (a0)
    ld a2, -4(a0)
    want 0x4444444422222222
    # A result to x0 is dropped, the memory still changes. rd may be the source register.
    next
    la a0, word
    sd zero, 0(a0)
    li a1, 9
    amoadd.d x0, a1, (a0)
    amoadd.d a1, a1, (a0)
    ld a2, 0(a0)
    add a2, a2, a1
    want 27
    # LR/SC succeed once.
    next
    li a1, 0x80000000
    sw a1, 0(a0)
    lr.w a2, (a0)
    want -0x80000000
    next
    li a1, 77
    sc.w a2, a1, (a0)
    want 0
    next
    lw a2, 0(a0)
    want 77
    # The reservation is gone: the second SC fails and stores nothing.
    next
    li a1, 78
    sc.w a2, a1, (a0)
    sltu a2, zero, a2
    want 1
    next
    lw a2, 0(a0)
    want 77
    # An SC to another address fails, and takes the reservation with it.
    next
    lr.d a1, (a0)
    la a4, far
    sc.d a2, a1, (a4)
    sltu a2, zero, a2
    want 1
    next
    sc.d a2, a1, (a0)
    sltu a2, zero, a2
    want 1
    # LR.D/SC.D with acquire and release.
    next
    li a1, 0x0123456789abcdef
    sd a1, 0(a0)
    lr.d.aq a3, (a0)
    addi a3, a3, 1
    sc.d.rl a2, a3, (a0)
    want 0
    next
    ld a2, 0(a0)
    want 0x0123456789abcdf0
    # A loop of LR/SC counts exactly.
    next
    sd zero, 0(a0)
    li a4, 1000
1:  lr.w a1, (a0)
    addi a1, a1, 1
    sc.w a3, a1, (a0)
    bnez a3, 1b
    addi a4, a4, -1
    bnez a4, 1b
    lw a2, 0(a0)
    want 1000
    passes "atomic: ok"
    .bss
    .balign 64
word:
    .space 64
far:
    .space 64
