# RV64C: every instruction form of the extension, and 4-byte instructions at addresses that are only 2-aligned.
#include "check.h"
    .option rvc
begin
    next
    c.li a2, -32
    want -32
    next
    c.lui a2, 0xfffe0
    want 0xfffffffffffe0000
    next
    c.lui a2, 0x1f
    want 0x1f000
    next
    c.li a2, 31
    c.addi a2, -32
    want -1
    next
    li a2, 0x7fffffff
    c.addiw a2, 1
    want -0x80000000
    next
    li a2, 0xffffffff12345678
    c.addiw a2, 0
    want 0x12345678
    next
    mv t0, sp
    c.addi16sp sp, -512
    sub a2, t0, sp
    c.addi16sp sp, 496
    c.addi16sp sp, 16
    want 512
    next
    c.addi4spn a2, sp, 1020
    c.sub a2, a2
    want 0
    next
    c.addi4spn a0, sp, 1020
    sub a2, a0, sp
    want 1020
    next
    c.li a2, 1
    c.slli a2, 63
    want 0x8000000000000000
    next
    li a2, 0x8000000000000000
    c.srli a2, 63
    want 1
    next
    li a2, 0x8000000000000000
    c.srai a2, 62
    want -2
    next
    c.li a2, 15
    c.andi a2, -4
    want 12
.macro pair op, left, right, value
    next
    li a2, \left
    li a0, \right
    \op a2, a0
    want \value
.endm
    pair c.mv, 1, 0x123456789, 0x123456789
    pair c.add, 0x7fffffffffffffff, 1, 0x8000000000000000
    pair c.sub, 1, 2, -1
    pair c.xor, 12, 10, 6
    pair c.or, 12, 10, 14
    pair c.and, 12, 10, 8
    pair c.subw, -0x80000000, 1, 0x7fffffff
    pair c.addw, 0x7fffffff, 1, -0x80000000
    # Loads and stores, with the largest offsets.
    next
    la a0, data
    li a1, 0x8877665544332211
    c.sd a1, 248(a0)
    c.ld a2, 248(a0)
    want 0x8877665544332211
    next
    c.sw a1, 124(a0)
    c.lw a2, 124(a0)
    want 0x44332211
    next
    li a1, 0x80000000
    c.sw a1, 0(a0)
    c.lw a2, 0(a0)
    want -0x80000000
    next
    mv t0, sp
    la sp, data
    c.sdsp a1, 504(sp)
    c.ldsp a2, 504(sp)
    c.swsp a1, 252(sp)
    c.lwsp a3, 252(sp)
    mv sp, t0
    add a2, a2, a3
    want 0
    # Jumps: c.jr and c.jalr take bit 0 away; c.jalr links to itself plus 2.
    next
    la a0, 2f
    ori a0, a0, 1
    c.jalr a0
1:  j check_failed
2:  la a1, 1b
    sub a2, ra, a1
    want 0
    next
    la a0, 1f
    c.jr a0
    j check_failed
1:  c.j 2f
    j check_failed
2:  c.li a0, 0
    c.li a1, 1
    c.beqz a0, 3f
    j check_failed
3:  c.beqz a1, 4f
    c.bnez a0, 4f
    c.bnez a1, 5f
4:  j check_failed
5:  c.li a2, 0
    want 0
    # A 4-byte instruction that is only 2-aligned, and one across a page boundary.
    next
    .balign 4
    c.nop
    .option norvc
    li a2, 5
    addi a2, a2, 6
    .option rvc
    want 11
    next
    li a2, 0
    call straddle
    want 0x123
    passes "compressed: ok"

    .balign 4096
    .space 4094
straddle:
    .option norvc
    addi a2, zero, 0x123
    .option rvc
    ret
    .bss
    .balign 16
data:
    .space 1024
