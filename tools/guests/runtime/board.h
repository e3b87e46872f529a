/* The board, and the CSR bits that guests use. Numbers as in QEMU's `virt` and the privileged manual. */
#ifndef BOARD_H
#define BOARD_H
#define FINISHER 0x00100000
#define CLINT 0x02000000
#define CLINT_MTIMECMP 0x02004000
#define CLINT_MTIME 0x0200bff8
#define PLIC 0x0c000000
#define UART 0x10000000
#define UART_INTERRUPT 10
#define RAM 0x80000000

#define HARTS_MAX 8
#define STACK_SHIFT 12

#define MSTATUS_SIE (1 << 1)
#define MSTATUS_MIE (1 << 3)
#define MSTATUS_SPIE (1 << 5)
#define MSTATUS_MPIE (1 << 7)
#define MSTATUS_SPP (1 << 8)
#define MSTATUS_MPP (3 << 11)
#define MSTATUS_MPP_S (1 << 11)
#define MSTATUS_MPRV (1 << 17)
#define MSTATUS_SUM (1 << 18)
#define MSTATUS_MXR (1 << 19)
#define MSTATUS_TVM (1 << 20)
#define MSTATUS_TW (1 << 21)
#define MSTATUS_TSR (1 << 22)
#define IRQ_SSI (1 << 1)
#define IRQ_MSI (1 << 3)
#define IRQ_STI (1 << 5)
#define IRQ_MTI (1 << 7)
#define IRQ_SEI (1 << 9)
#define IRQ_MEI (1 << 11)
#endif
