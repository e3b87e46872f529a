# RV64I: arithmetic, shifts, comparisons, jumps, branches, loads and stores, writes of x0.
#include "check.h"
begin
    rr add, 0x7fffffffffffffff, 1, 0x8000000000000000
    rr add, -1, 1, 0
    rr addw, 0x7fffffff, 1, -0x80000000
    rr addw, 0x123456789, 0, 0x23456789
    rr sub, 0, 1, -1
    rr sub, 0x8000000000000000, 1, 0x7fffffffffffffff
    rr subw, -0x80000000, 1, 0x7fffffff
    rr subw, 0x100000000, 1, -1
    ri addi, 5, -2048, -2043
    ri addiw, 0x7fffffff, 1, -0x80000000
    ri addiw, 0xffffffff80000000, -1, 0x7fffffff
    rr and, 0xff00ff00ff00ff00, 0x0ff00ff00ff00ff0, 0x0f000f000f000f00
    rr or, 0xff00ff00ff00ff00, 0x0ff00ff00ff00ff0, 0xfff0fff0fff0fff0
    rr xor, 0xff00ff00ff00ff00, 0x0ff00ff00ff00ff0, 0xf0f0f0f0f0f0f0f0
    ri andi, 0x123456789abcdef0, -16, 0x123456789abcdef0
    ri ori, 0, -1, -1
    ri xori, 0x0f, -1, -16
    # Shifts use six bits of the amount, the word forms five, and sign-extend 32 bits.
    rr sll, 1, 63, 0x8000000000000000
    rr sll, 1, 64, 1
    rr srl, 0x8000000000000000, 63, 1
    rr sra, 0x8000000000000000, 63, -1
    rr sra, 0x4000000000000000, 62, 1
    rr sllw, 1, 31, -0x80000000
    rr sllw, 1, 32, 1
    rr srlw, 0xffffffff80000000, 31, 1
    rr srlw, 0xffffffff80000000, 0, -0x80000000
    rr sraw, 0x80000000, 31, -1
    rr sraw, 0x80000000, 63, -1
    rr sraw, 0x7fffffff80000000, 4, 0xfffffffff8000000
    ri slli, 3, 62, 0xc000000000000000
    ri srli, -1, 60, 15
    ri srai, 0x8000000000000000, 4, 0xf800000000000000
    ri slliw, 3, 31, -0x80000000
    ri srliw, 0xffffffff, 28, 15
    ri sraiw, 0x80000000, 31, -1
    rr slt, -1, 0, 1
    rr slt, 0, -1, 0
    rr sltu, -1, 0, 0
    rr sltu, 0, -1, 1
    ri slti, -2048, -2047, 1
    ri sltiu, 5, -1, 1
    # lui sign-extends; auipc counts from itself.
    next
    lui a2, 0x80000
    want -0x80000000
    next
1:  auipc a0, 0
    la a1, 1b
    sub a2, a0, a1
    want 0
    # x0 stays zero whatever is written: by arithmetic, a load, a jump.
    next
    li a0, 7
    add x0, a0, a0
    ld x0, 0(sp)
    jal x0, 1f
1:  mv a2, x0
    want 0
    # jalr computes its target before it writes rd, and clears bit 0.
    next
    la a0, 1f
    addi a0, a0, 1
    jalr a0, 0(a0)
    j check_failed
1:  la a1, 1b
    sub a2, a0, a1
    want -4
    next
    .option push
    .option norvc
    jal a0, 1f
0:  j check_failed
1:  la a1, 0b
    .option pop
    sub a2, a0, a1
    want 0
    # Branches: each taken and not taken, signed and unsigned.
    next
    li a2, 0
    li a0, -1
    li a1, 1
    beq a0, a1, 9f
    bne a0, a0, 9f
    blt a1, a0, 9f
    bge a0, a1, 9f
    bltu a0, a1, 9f
    bgeu a1, a0, 9f
    beq a0, a0, 1f
    j 9f
1:  bne a0, a1, 2f
    j 9f
2:  blt a0, a1, 3f
    j 9f
3:  bge a1, a0, 4f
    j 9f
4:  bltu a1, a0, 5f
    j 9f
5:  bgeu a0, a1, 6f
9:  li a2, 1
6:  want 0
    # Loads extend as they say; stores cut.
.macro load op, offset, value
    next
    la a0, data
    \op a2, \offset(a0)
    want \value
.endm
    load lb, 0, -16
    load lbu, 0, 0xf0
    load lh, 0, -0x7f10
    load lhu, 0, 0x80f0
    load lw, 0, 0xffffffffa09080f0
    load lwu, 0, 0xa09080f0
    load ld, 0, 0xe0d0c0b0a09080f0
    # Misaligned ones work, also across a 64-byte line and a page.
    load lh, 1, 0xffffffffffff9080
    load lw, 3, 0xffffffffd0c0b0a0
    load ld, 1, 0x11e0d0c0b0a09080
    next
    la a0, page + 4093
    li a1, 0x1122334455667788
    sd a1, 0(a0)
    ld a2, 0(a0)
    want 0x1122334455667788
    next
    lbu a2, 3(a0)
    want 0x55
    next
    la a0, scratch
    li a1, -1
    sd a1, 0(a0)
    sb x0, 1(a0)
    sh x0, 2(a0)
    li a1, 0x0123456789abcdef
    sw a1, 4(a0)
    ld a2, 0(a0)
    want 0x89abcdef000000ff
    next
    fence rw, rw
    fence.i
    li a2, 0
    want 0
    passes "arith: ok"
    .data
    .balign 64
    .space 48
data:
    .dword 0xe0d0c0b0a09080f0
    .dword 0x11
    .bss
    .balign 4096
page:
    .space 8192
scratch:
    .space 16
