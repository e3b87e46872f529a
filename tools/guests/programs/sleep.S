# Waits for an interrupt that nothing can send.
    .text
    .globl main
main:
    csrw mie, x0
1:  wfi
    j 1b
