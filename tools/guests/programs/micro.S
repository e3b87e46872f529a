# Traps of the kernel in micro.c, and the program that it runs in user mode.
#define FRAME_PC 256
#define FRAME_ROOT 264
#define PAGE_SHIFT 12
    .macro each_saved operation
    .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29
    \operation x\n, \n*8(t6)
    .endr
    .endm

# To the address space in t0, as xv6 does on its way into the kernel and out; or one hypercall.
    .macro switch_tables
    la t1, para
    ld t1, 0(t1)
    beqz t1, 2f
    mv a0, t0
    li a1, 1
    li a6, 7
    li a7, 0x0A004250
    ecall
    j 3f
2:  sfence.vma
    csrw satp, t0
    sfence.vma
3:
    .endm

    .text
    .balign 4
    .globl trap_entry
trap_entry:
    csrrw t6, sscratch, t6          # the frame of the process that runs; its t6 waits in sscratch
    each_saved sd
    sd t5, 30*8(t6)
    csrrw t5, sscratch, t6
    sd t5, 31*8(t6)
    csrr a1, sepc
    sd a1, FRAME_PC(t6)
    la t0, split
    ld t0, 0(t0)
    beqz t0, 1f
    switch_tables
1:  csrr a0, scause
    la sp, kernel_stack_end
    call on_trap                    # gives the frame to return to
    .globl return_to_user
return_to_user:
    mv t6, a0
    la t0, current_frame
    ld t1, 0(t0)
    beq t1, t6, 1f
    sd t6, 0(t0)
    csrw sscratch, t6
1:  ld t0, FRAME_PC(t6)
    csrw sepc, t0
    la t0, split
    ld t0, 0(t0)
    beqz t0, 1f
    ld t0, FRAME_ROOT(t6)
    switch_tables
1:  each_saved ld
    ld t5, 30*8(t6)
    ld t6, 31*8(t6)
    sret

# A miss of the software TLB: three levels of Sv39 tables, walked here. trap/vmm/software-tlb.md.
    .balign 4
    .globl refill
refill:
    sd t3, 24(t6)
    sd t4, 32(t6)
    ld t3, 16(t6)
    .macro level shift
    srli t4, t5, \shift
    andi t4, t4, 511
    slli t4, t4, 3
    add t3, t3, t4
    ld t3, 0(t3)
    andi t4, t3, 1
    beqz t4, slow
    .endm
    level 30
    srli t3, t3, 10
    slli t3, t3, PAGE_SHIFT
    level 21
    srli t3, t3, 10
    slli t3, t3, PAGE_SHIFT
    level 12
    csrw 0x5c4, t3
    ld t3, 24(t6)
    ld t4, 32(t6)
    ld t5, 0(t6)
    ld t6, 8(t6)
    sret
slow:
    ld t3, 24(t6)
    ld t4, 32(t6)
    ld t5, 0(t6)
    ld t6, 8(t6)
    j trap_entry

    .bss
    .balign 16
    .space 16384
kernel_stack_end:

# ---- user mode: one page of code, at 0x40000000; a0 is what to do, a1 how often
    .section .rodata
    .balign 4096
    .globl user_code
user_code:
    mv s1, a1
    lla t1, table
    slli a0, a0, 2
    add t1, t1, a0
    jr t1
table:
    .option norvc
    j null_call
    j context_switch
    j page_fault
    j fork_like
    j working_set
    .option rvc
null_call:
    li a7, 0
    ecall
    addi s1, s1, -1
    bnez s1, null_call
    j done
context_switch:
    li a7, 1
    ecall
    addi s1, s1, -1
    bnez s1, context_switch
    j done
page_fault:
    li s2, 0x40400000
    li s3, 4096
1:  sd s1, 0(s2)
    add s2, s2, s3
    addi s1, s1, -1
    bnez s1, 1b
    j done
fork_like:
    li a7, 3
    ecall
    bnez a0, child
    addi s1, s1, -1
    bnez s1, fork_like
    j done
child:
    li s2, 0x40100000
    li s3, 4096
    li s4, 16
1:  ld t0, 0(s2)
    addi t0, t0, 1
    sd t0, 0(s2)
    add s2, s2, s3
    addi s4, s4, -1
    bnez s4, 1b
    li a7, 4
    ecall
working_set:
    li s3, 4096
1:  li s2, 0x40100000
    li s4, 96
2:  ld t0, 0(s2)
    add t0, t0, s1
    sd t0, 0(s2)
    add s2, s2, s3
    addi s4, s4, -1
    bnez s4, 2b
    addi s1, s1, -1
    bnez s1, 1b
done:
    li a7, 5
    ecall
    .balign 4096
