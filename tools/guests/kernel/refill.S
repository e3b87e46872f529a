# Chapter 4, for a machine whose MMU walks no tables: the handler of TLB misses. It is the busiest piece of code of the kernel, so it saves only what it
# uses, in a frame of this hart whose address hardware puts into t6 (t5: the address that was missed). Order of the frame: struct cpu.
#ifdef SOFTTLB
#include "layout.h"
    .text
    .globl refill
    .balign 4
refill:
    sd t3, 24(t6)
    sd t4, 32(t6)
    ld t3, 16(t6)               # physical address of the root table of the process that runs here
    srli t4, t5, 30
    andi t4, t4, 511
    sh3add t3, t4, t3
    ld t3, 0(t3)                # one gigabyte
    andi t4, t3, 1
    beqz t4, no_page
    srli t3, t3, 10
    slli t3, t3, 12
    srli t4, t5, 21
    andi t4, t4, 511
    sh3add t3, t4, t3
    ld t3, 0(t3)                # two megabytes
    andi t4, t3, 1
    beqz t4, no_page
    srli t3, t3, 10
    slli t3, t3, 12
    srli t4, t5, 12
    andi t4, t4, 511
    sh3add t3, t4, t3
    ld t3, 0(t3)                # the page
    andi t4, t3, 1
    beqz t4, no_page
    csrw TLB_WRITE_RANDOM, t3   # the tag was put in by the miss
    ld t3, 24(t6)
    ld t4, 32(t6)
    ld t5, 0(t6)
    ld t6, 8(t6)
    sret                        # and the access is tried again

no_page:                        # the rest is for C: as if hardware had walked and found nothing
    ld t3, 24(t6)
    ld t4, 32(t6)
    ld t5, 0(t6)
    ld t6, 8(t6)
    j trap_entry
#endif
