# The header of a flat kernel image (Linux, Documentation/riscv/boot-image-header) and the way into C.
    .section .text.start, "ax"
    .globl _start
_start:
    .option push
    .option norvc
    j 1f
    nop
    .option pop
    .dword 0x200000        # offset from the start of RAM
    .dword image_end - _start
    .dword 0               # flags: little-endian
    .word 2                # version 0.2
    .word 0
    .dword 0
    .ascii "RISCV\0\0\0"
    .ascii "RSC\x05"
    .word 0
1:  la sp, stack_end
    call kernel_main
2:  wfi
    j 2b
    .bss
    .balign 16
    .space 4096
stack_end:
