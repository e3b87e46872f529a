# Where every hart of the timed multiprocessor begins: a0 its number, a1 how many there are, a2 to a7 the parameters.
    .section .text.start, "ax"
    .globl _start
_start:
    la sp, heap
    addi t0, a0, 1
    slli t0, t0, 12
    add sp, sp, t0
    addi sp, sp, -64
    sd a2, 0(sp)
    sd a3, 8(sp)
    sd a4, 16(sp)
    sd a5, 24(sp)
    sd a6, 32(sp)
    sd a7, 40(sp)
    mv a2, sp
    call work
    ebreak
