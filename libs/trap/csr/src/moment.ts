/**
 * What the CSR model must be told about the moment at which an instruction runs. Nothing here reads a clock.
 */
export interface Moment {
  /** Instructions that this hart retired before the present one. */
  readonly instret: bigint
  /** `mtime` in ticks of the timebase (10 MHz). */
  readonly time: bigint
}

export const TIMEBASE_HZ = 10_000_000
