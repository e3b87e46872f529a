/** Where things lie on the board, and their interrupt numbers: QEMU's `virt` machine (`hw/riscv/virt.c`, memory map). */
export interface Place {
  readonly base: bigint
  readonly bytes: number
}

export const RAM_BASE = 0x8000_0000n
export const FINISHER: Place = { base: 0x10_0000n, bytes: 0x1000 }
export const CLINT: Place = { base: 0x200_0000n, bytes: 0x1_0000 }
export const PLIC: Place = { base: 0xc00_0000n, bytes: 0x60_0000 }
export const UART: Place = { base: 0x1000_0000n, bytes: 0x100 }
export const UART_INTERRUPT = 10

/** Eight slots of virtio-mmio, the first at 0x1000_1000 with interrupt 1. */
export const VIRTIO_SLOTS = 8
const VIRTIO_FIRST = 0x1000_1000n
const VIRTIO_BYTES = 0x1000

export function virtioPlace(slot: number): Place {
  return { base: VIRTIO_FIRST + BigInt(slot * VIRTIO_BYTES), bytes: VIRTIO_BYTES }
}

export function virtioInterrupt(slot: number): number {
  return slot + 1
}
