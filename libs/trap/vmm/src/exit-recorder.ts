/**
 * Where each exit is noted: numbers only, so that noting costs tens of nanoseconds. The trap ring of foundation/telemetry fits; the VMM knows
 * nothing of it. Units: `time` is the VM's own virtual cycles, `duration` those that the exit cost.
 */
export interface ExitRecord {
  readonly time: number
  readonly instret: number
  /** As `mcause` where the exit is an architectural trap (bit 31 set for an interrupt), else EXIT_CAUSE. */
  readonly cause: number
  readonly pcHigh: number
  readonly pcLow: number
  readonly vaHigh: number
  readonly vaLow: number
  /** EXIT_CLASS. */
  readonly class: number
  readonly duration: number
}

export interface ExitRecorder {
  /** The record is the caller's and changes with the next exit: copy what is to be kept. */
  push(record: ExitRecord): void
}

/** A recorder that can be asked for what it was told last. */
export interface ExitMemory extends ExitRecorder {
  /** The last `count` records, or as many as there are; oldest first. */
  last(count: number): readonly ExitRecord[]
}

/** Exits that are no trap of the guest's, above every cause of the privileged manual. */
export const EXIT_CAUSE = { system: 64, ioLoad: 65, ioStore: 66, watch: 67, tlbMiss: 68, stageMiss: 69, frame: 70 } as const

export const EXIT_CLASS = { R: 0, B: 1, A: 2, assisted: 3 } as const
