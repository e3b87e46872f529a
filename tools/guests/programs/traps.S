# Exceptions with their cause, value and pc; access rules of CSRs; delegation; the stack of enables; TW, TSR, TVM.
#include "check.h"

# Runs `code`, which must trap at its first instruction, and compares cause, pc and value. The handler comes back in M-mode.
.macro expect cause, value, code:vararg
    next
    la s11, .Lafter\@
.Lat\@:
    \code
    j check_failed
.Lafter\@:
    mv a2, s8
    want \cause
    mv a2, s9
    la a3, .Lat\@
    beq a2, a3, .Lpc\@
    j check_failed
.Lpc\@:
    mv a2, s10
    want \value
.endm

# The same for an exception whose value the manual leaves open.
.macro expect_cause cause, code:vararg
    next
    la s11, .Lafter\@
    \code
    j check_failed
.Lafter\@:
    mv a2, s8
    want \cause
.endm

# Goes on in U- or S-mode.
.macro enter previous
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    li t0, \previous
    csrs mstatus, t0
    la t0, .Lthere\@
    csrw mepc, t0
    mret
.Lthere\@:
.endm

begin
    la t0, machine_trap
    csrw mtvec, t0
    la t0, supervisor_trap
    csrw stvec, t0
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    .option norvc
    # What this hart does not have is illegal, cleanly: floating point, in both lengths, and reserved encodings.
    expect 2, 0x00000053, .word 0x00000053
    expect 2, 0x0000b007, .word 0x0000b007
    expect 2, 0x00002000, .half 0x2000, 0x0001
    expect 2, 0, .half 0, 0x0001
    expect 2, 0xffffffff, .word 0xffffffff
    expect 2, 0x80002573, .word 0x80002573
    # A read-only CSR may be read, not written; csrrs with x0 is no write.
    li a0, 0
    expect 2, 0xf1451573, .word 0xf1451573
    next
    csrrs a2, mhartid, x0
    want 0
    # Environment calls and breakpoints, by level.
    expect 11, 0, ecall
    enter 0
    expect 8, 0, ecall
    enter MSTATUS_MPP_S
    expect 9, 0, ecall
    expect_cause 3, ebreak
    # Nobody answers there: access faults with the address.
    li a0, 0x18000000
    expect 5, 0x18000000, lw a1, 0(a0)
    expect 7, 0x18000008, sd a1, 8(a0)
    expect 5, 0x18000000, lr.w a1, (a0)
    next
    la s11, 1f
    jr a0
1:  mv a2, s8
    want 1
    mv a2, s9
    want 0x18000000
    mv a2, s10
    want 0x18000000
    # A misaligned LR is an exception.
    la a0, data
    addi a0, a0, 2
    li a1, -1
    expect_cause 4, lr.w a1, (a0)
    next
    ld a2, -2(a0)
    want 0x1122334455667788
    # A load to x0 still faults.
    li a0, 0x18000000
    expect 5, 0x18000000, lw x0, 0(a0)
    # From U-mode no CSR of a higher level, no xRET, no wfi, no fence of translations.
    enter 0
    expect 2, 0x30002573, csrr a0, mstatus
    enter 0
    expect 2, 0x10002573, csrr a0, sstatus
    enter 0
    expect 2, 0x30200073, mret
    enter 0
    expect 2, 0x10200073, sret
    enter 0
    expect 2, 0x10500073, wfi
    enter 0
    expect 2, 0x12000073, sfence.vma
    # Counters open one level at a time.
    csrw mcounteren, x0
    csrw scounteren, x0
    enter MSTATUS_MPP_S
    expect 2, 0xc0102573, csrr a0, time
    li t0, 7
    csrw mcounteren, t0
    enter 0
    expect 2, 0xc0002573, csrr a0, cycle
    li t0, 7
    csrw scounteren, t0
    next
    enter 0
    la s11, 1f
    csrr a0, time
    csrr a1, cycle
    csrr a2, instret
    ecall
    j check_failed
1:  mv a2, s8
    want 8
    # From S-mode no mret; TSR, TW and TVM take sret, wfi, satp and sfence.vma away.
    enter MSTATUS_MPP_S
    expect 2, 0x30200073, mret
    li t0, MSTATUS_TSR | MSTATUS_TW | MSTATUS_TVM
    csrs mstatus, t0
    enter MSTATUS_MPP_S
    expect 2, 0x10200073, sret
    enter MSTATUS_MPP_S
    expect 2, 0x10500073, wfi
    enter MSTATUS_MPP_S
    expect 2, 0x18002573, csrr a0, satp
    enter MSTATUS_MPP_S
    expect 2, 0x12000073, sfence.vma
    li t0, MSTATUS_TSR | MSTATUS_TW | MSTATUS_TVM
    csrc mstatus, t0
    # WARL: ecall from M and machine interrupts can not be delegated.
    next
    li t0, -1
    csrw mideleg, t0
    csrr a2, mideleg
    andi a2, a2, IRQ_MSI | IRQ_MTI
    want 0
    next
    la t0, supervisor_trap
    csrw stvec, t0
    csrr a2, stvec
    sub a2, a2, t0
    want 0
    # Delegated: the call goes to S-mode, which sees where it came from; SIE moves to SPIE.
    csrw mideleg, x0
    li t0, 1 << 8
    csrw medeleg, t0
    li t0, MSTATUS_SPIE | MSTATUS_SPP
    csrc mstatus, t0
    csrsi mstatus, MSTATUS_SIE
    next
    enter 0
    la s11, 1f
    ecall
    j check_failed
1:  csrr a2, scause
    want 8
    next
    csrr a2, stval
    want 0
    next
    # supervisor_trap kept sstatus in s7: SIE off, SPIE on, SPP user.
    li t0, MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP
    and a2, s7, t0
    want MSTATUS_SPIE
    # In M-mode a delegated exception stays in M-mode.
    li t0, 1 << 2
    csrw medeleg, t0
    expect 2, 0x00000053, .word 0x00000053
    # mret with MPP = U leaves MPIE set, MIE as MPIE was, MPP the lowest level.
    csrw medeleg, x0
    next
    csrci mstatus, MSTATUS_MIE
    li t0, MSTATUS_MPIE
    csrs mstatus, t0
    enter 0
    la s11, 1f
    ecall
1:  # Taken from U with MIE on: MPIE is on, MIE off, and the handler set MPP to M.
    csrr a2, mstatus
    li t0, MSTATUS_MIE | MSTATUS_MPIE
    and a2, a2, t0
    li t0, MSTATUS_MIE | MSTATUS_MPIE
    want MSTATUS_MIE | MSTATUS_MPIE
    csrci mstatus, MSTATUS_MIE
    passes "traps: ok"

    .option norvc
    .balign 4
# Keeps cause, pc and value in s8…s10 and goes on in M-mode at s11.
machine_trap:
    csrr s8, mcause
    csrr s9, mepc
    csrr s10, mtval
    csrw mepc, s11
    li s6, MSTATUS_MPP
    csrs mstatus, s6
    mret
    .balign 4
# Back to M-mode by a call that is not delegated.
supervisor_trap:
    csrr s7, sstatus
    ecall
    .data
    .balign 8
data:
    .dword 0x1122334455667788
