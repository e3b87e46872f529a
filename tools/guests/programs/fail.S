# Ends with code 42 through the test finisher.
    .text
    .globl main
main:
    li a0, 42
    ret
