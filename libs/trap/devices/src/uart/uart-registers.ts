/** Registers and bits of the 16550A. National Semiconductor PC16550D data sheet, "Registers". */
export const Register = {
  data: 0,
  interruptEnable: 1,
  /** Read: IIR. Written: FCR. */
  identification: 2,
  lineControl: 3,
  modemControl: 4,
  lineStatus: 5,
  modemStatus: 6,
  scratch: 7,
} as const

export const Ier = { received: 1, transmitterEmpty: 2, lineStatus: 4, all: 15 } as const
export const Fcr = { enable: 1, clearReceive: 2, clearTransmit: 4, kept: 0xc9, triggerShift: 6 } as const
export const Lcr = { divisorLatch: 0x80 } as const
export const Mcr = { dtr: 1, rts: 2, out1: 4, out2: 8, loop: 16, all: 31 } as const
export const Lsr = { dataReady: 1, overrun: 2, transmitterHoldingEmpty: 0x20, transmitterEmpty: 0x40 } as const
export const Msr = { cts: 0x10, dsr: 0x20, ring: 0x40, dcd: 0x80 } as const

/** Values of IIR, bits 3…0. */
export const Identification = { none: 1, transmitterEmpty: 2, received: 4, lineStatus: 6, timeout: 12, fifoOn: 0xc0 } as const

export const FIFO_BYTES = 16
/** Receiver trigger levels, by bits 7…6 of FCR. */
export const TRIGGER_BYTES: readonly number[] = [1, 4, 8, 14]

export interface UartState {
  readonly received: readonly number[]
  readonly ier: number
  readonly fcr: number
  readonly lcr: number
  readonly mcr: number
  readonly lsr: number
  readonly scratch: number
  readonly divisorLow: number
  readonly divisorHigh: number
  /** "THR empty" has not been acknowledged by reading IIR or writing THR. */
  readonly transmitterPending: boolean
}

export const UART_RESET: UartState = {
  received: [],
  ier: 0,
  fcr: 0,
  lcr: 0,
  mcr: Mcr.out2,
  lsr: Lsr.transmitterHoldingEmpty | Lsr.transmitterEmpty,
  scratch: 0,
  divisorLow: 12,
  divisorHigh: 0,
  transmitterPending: false,
}

/** The line is always up; in loop-back the modem outputs come back as its inputs. */
export function modemStatus(mcr: number): number {
  if ((mcr & Mcr.loop) === 0) return Msr.cts | Msr.dsr | Msr.dcd
  return (mcr & Mcr.rts ? Msr.cts : 0) | (mcr & Mcr.dtr ? Msr.dsr : 0) | (mcr & Mcr.out1 ? Msr.ring : 0) | (mcr & Mcr.out2 ? Msr.dcd : 0)
}
