# Chapter 1: the first instructions. Firmware enters here in S-mode with paging off: a0 is the number of this hart, a1 the device tree.
# The linker placed the kernel high, at KERNEL_OFFSET; we begin low, where memory is. So the first thing to make is a page table, and
# until it is in use every address must be relative to pc, which is what `la` does.
#include "layout.h"
#define GIGABYTE_LEAF(number) ((number << 28) | 0xcf) /* dirty accessed executable writable readable valid: one gigabyte in one entry */

    .section .text.start, "ax"
    .globl start, secondary_start
start:
    # What a boot loader looks for (Linux, Documentation/riscv/boot-image-header).
    .option push
    .option norvc
    j 1f
    nop
    .option pop
    .dword 0x200000             # wants to be this far above the start of RAM
    .dword image_end - start
    .dword 0                    # flags: little-endian
    .word 2                     # version 0.2 of the header
    .word 0
    .dword 0
    .ascii "RISCV\0\0\0"
    .ascii "RSC\x05"
    .word 0

    # The loader copied a file: what C expects to be zero is not in it.
1:  la t0, bss_begin
    la t1, bss_end
2:  sd zero, 0(t0)
    addi t0, t0, 8
    bltu t0, t1, 2b

    # Entries of one gigabyte each. RAM where we are now: needed only between the write to satp and the jump below, but every hart comes
    # this way, so it stays. And, in the upper half, all of physical memory, devices and RAM, as the kernel will see it.
    la t0, kernel_table
    li t1, GIGABYTE_LEAF(2)
    sd t1, 2*8(t0)
    li t1, KERNEL_ROOT_FIRST*8
    add t0, t0, t1
    li t1, GIGABYTE_LEAF(0)
    li t2, GIGABYTE_LEAF(MEMORY_GIGABYTES)
    li t3, GIGABYTE_LEAF(1) - GIGABYTE_LEAF(0)
2:  sd t1, 0(t0)
    addi t0, t0, 8
    add t1, t1, t3
    bltu t1, t2, 2b
    la sp, boot_stack_end
    li s0, 0
    j go_high

# The other harts are started one by one (main.c): a1 is the top of a stack, by its high address.
secondary_start:
    mv sp, a1
    li s0, 1

go_high:
#ifdef SOFTTLB
    # No tables are walked here: the kernel's own pages are entries of the TLB that are never replaced. RAM to itself, for the jump below and
    # for the handler of misses (refill.S), which meets physical addresses; RAM and devices where the kernel sees them.
    la t0, no_software_tlb
    csrw stvec, t0
    .macro wire index, address, value
    li t0, \address + 2         # 2: one gigabyte
    csrw TLB_TAG, t0
    li t0, \index
    csrw TLB_INDEX, t0
    li t0, \value
    csrw TLB_WRITE_INDEXED, t0
    .endm
    wire 0, 0x80000000, (GIGABYTE_LEAF(2) | 0x20) # for all address spaces
    wire 1, KERNEL_OFFSET + 0x80000000, (GIGABYTE_LEAF(2) | 0x20)
    wire 2, KERNEL_OFFSET, (GIGABYTE_LEAF(0) | 0x20)
    li t0, 3
    csrw TLB_WIRED, t0
    li t0, SATP_SOFTTLB
#else
    la t0, kernel_table
    srli t0, t0, 12
    li t1, SATP_SV39
    or t0, t0, t1
#endif
    csrw satp, t0
    sfence.vma
    li t1, KERNEL_OFFSET
    la t0, 1f
    add t0, t0, t1
    jr t0
1:  la t0, trap_entry           # the same instruction now gives the high address
    csrw stvec, t0
    csrw sscratch, zero
    bnez s0, 2f
    li t1, KERNEL_OFFSET
    add sp, sp, t1
    call main
2:  call secondary_main

#ifdef SOFTTLB
# The first of the TLB's registers was an illegal instruction: this machine has none. Firmware can still say so.
    .balign 4
no_software_tlb:
    la s1, sorry
1:  lbu a0, 0(s1)
    beqz a0, 2f
    li a7, 1
    ecall
    addi s1, s1, 1
    j 1b
2:  li a7, 0x53525354
    li a6, 0
    li a0, 0
    li a1, 1
    ecall
    j 2b
    .section .rodata
sorry: .asciz "kernel: this image needs a machine with a software TLB (backplane boot --mmu softtlb)\n"
#endif

    .bss
    .balign PAGE
    .globl kernel_table
kernel_table:
    .space PAGE
boot_stack:
    .space PAGE
boot_stack_end:
