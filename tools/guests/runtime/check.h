# Macros of the self-checking guests: one case each, its number in gp, failure in check_failed (crt0.S).
#include "board.h"
    .set case, 0

.macro next
    .set case, case + 1
    li gp, case
.endm

# Compares a2 (seen) with a value.
.macro want value
    li a3, \value
    beq a2, a3, .Lgood\@
    j check_failed
.Lgood\@:
.endm

# register-register: op a2, a0, a1
.macro rr op, left, right, value
    next
    li a0, \left
    li a1, \right
    \op a2, a0, a1
    want \value
.endm

# register-immediate, or one register only
.macro ri op, left, immediate, value
    next
    li a0, \left
    \op a2, a0, \immediate
    want \value
.endm

.macro r1 op, operand, value
    next
    li a0, \operand
    \op a2, a0
    want \value
.endm

# The end of main: prints the text at `passed` and returns 0.
.macro passes text
    la a0, .Lpassed\@
    call put_text
    li a0, 0
    ld ra, 8(sp)
    addi sp, sp, 16
    ret
    .section .rodata
.Lpassed\@:
    .asciz "\text\n"
    .text
.endm

.macro begin
    .text
    .globl main
    .balign 4
main:
    addi sp, sp, -16
    sd ra, 8(sp)
.endm
