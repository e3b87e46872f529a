/* Numbers that both C and assembly must know: where things lie, and what a trap frame looks like. */
#ifndef LAYOUT_H
#define LAYOUT_H

#define PAGE 4096
#define HARTS_MAX 8

/* All of physical memory is visible to the kernel at this distance, in every address space: entry 256 and up of every root table. */
#define KERNEL_OFFSET 0xffffffc000000000
#define KERNEL_ROOT_FIRST 256
#define MEMORY_GIGABYTES 16

/* A process sees one gigabyte: its image, then the heap; shared pages; and the stack, which grows down from the end. */
#define USER_IMAGE 0x10000
#define USER_SHARED 0x20000000
#define USER_SHARED_PAGES 64
#define USER_END 0x40000000
#define USER_STACK_PAGES 16

/* A trap frame: pc in the place of x0, then x1 to x31, then what belongs to the kernel. */
#define FRAME_STATUS 256
#define FRAME_CPU 264
#define FRAME_BYTES 272

#define SSTATUS_SIE (1 << 1)
#define SSTATUS_SPIE (1 << 5)
#define SSTATUS_SPP (1 << 8)
#ifdef __ASSEMBLER__
#define WIDE(number) number
#else
#define WIDE(number) number##ull
#endif
#define SATP_SV39 (WIDE(8) << 60)
#define SATP_SOFTTLB (WIDE(14) << 60)

/* The software TLB (libs/trap/vmm/software-tlb.md): supervisor CSRs for custom use. */
#define TLB_TAG 0x5c0
#define TLB_INDEX 0x5c1
#define TLB_WIRED 0x5c3
#define TLB_WRITE_RANDOM 0x5c4
#define TLB_WRITE_INDEXED 0x5c5
#define TLB_VECTOR 0x5c8
#define TLB_FRAME 0x5c9
#endif
