# What the manual demands and QEMU 7.2 does otherwise, so that no differential test can show it.
#include "check.h"
begin
    la t0, trap
    csrw mtvec, t0
    # csrrs with a register that holds zero is a write: of a read-only CSR, illegal.
    next
    li a0, 0
    li s8, 0
    la s11, 1f
    csrrs a1, mhartid, a0
1:  mv a2, s8
    want 2
    # An AMO is a store, whatever its load met: cause 7.
    next
    li a0, 0x18000000
    la s11, 1f
    amoadd.w a1, a1, (a0)
1:  mv a2, s8
    want 7
    # So are its misaligned address and that of an SC; nothing is stored.
.macro misaligned code:vararg
    next
    la a0, data
    addi a0, a0, 2
    la s11, .Lafter\@
    \code
.Lafter\@:
    mv a2, s8
    want 6
    ld a2, -2(a0)
    want 0x1122334455667788
.endm
    li a1, -1
    misaligned amoswap.w a1, a1, (a0)
    misaligned amoadd.d a1, a1, (a0)
    misaligned sc.w a2, a1, (a0)
    # Only Sv39 is here: probes for other modes leave satp as it was.
.macro probe mode
    next
    li t0, \mode << 60
    csrw satp, t0
    csrr a2, satp
    want (8 << 60) | 0x80123
.endm
    li t0, (8 << 60) | 0x80123
    csrw satp, t0
    probe 9
    probe 10
    probe 1
    probe 15
    csrw satp, x0
    # MPP keeps its legal level when the reserved one is written.
    next
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    li t0, 2 << 11
    csrs mstatus, t0
    csrr a2, mstatus
    li t0, MSTATUS_MPP
    and a2, a2, t0
    want 0
    # sepc and mepc are even.
    next
    li t0, -1
    csrw sepc, t0
    csrr a2, sepc
    want -2
    next
    li t0, -1
    csrw mepc, t0
    csrr a2, mepc
    want -2
    # minstret reads what was written, one instruction later.
    next
    csrw minstret, x0
    csrr a2, minstret
    want 0
    next
    csrw minstret, x0
    nop
    nop
    csrr a2, minstret
    want 2
    # There is no FPU: FS, XS, VS and SD stay zero.
    next
    li t0, (3 << 13) | (3 << 15) | (3 << 9)
    csrs mstatus, t0
    csrr a2, mstatus
    and a2, a2, t0
    want 0
    # An environment call from M-mode can not be delegated.
    next
    li t0, 1 << 11
    csrs medeleg, t0
    csrr a2, medeleg
    want 0
    # A breakpoint reports its address, an environment call reports nothing.
    next
    la s11, 1f
0:  ebreak
1:  la a3, 0b
    mv a2, s10
    sub a2, a2, a3
    want 0
    next
    la s11, 1f
    ecall
1:  mv a2, s10
    want 0
    passes "strict: ok"
    .option norvc
    .balign 4
trap:
    csrr s8, mcause
    csrr s10, mtval
    csrw mepc, s11
    li t0, MSTATUS_MPP
    csrs mstatus, t0
    mret
    .data
    .balign 8
data:
    .dword 0x1122334455667788
