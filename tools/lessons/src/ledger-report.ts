/** What `backplane ledger --json` prints, as far as lessons read it. */
import type { Json } from "@backplane/foundation-base/json"

interface Step {
  readonly step: number
  readonly who: string
  readonly text: string
  /** Null for what happens outside the monitor. */
  readonly exits?: number | null
}

export interface LedgerReport {
  readonly instructions: number
  readonly exits: readonly { readonly cause: string; readonly count: number }[]
  readonly tables: {
    readonly "B.3": {
      readonly calls: number
      readonly exitsPerCall: { readonly fewest: number; readonly mean: number; readonly most: number }
      readonly steps: readonly Step[]
    }
    readonly "B.5": {
      readonly steps: readonly Step[]
      /** Null where the guest sees no TLB miss. */
      readonly observed: {
        readonly misses: number
        /** Answered by the monitor's second level. */
        readonly remembered: number
        readonly entered: number
        readonly updated: number
        readonly returned: number
        readonly fewest: number
        readonly most: number
      } | null
    }
  }
  /** Of guests that talk to the monitor. */
  readonly hypercalls?: {
    readonly calls: Readonly<Record<string, number>>
    readonly zeroingAvoided: number
    readonly zeroed: number
  }
}

/** The cast is the codec: the command's own tests hold the shape. */
export function ledgerOf(output: Json): LedgerReport {
  return output as unknown as LedgerReport
}

export function exitsOf({ exits }: LedgerReport, cause: string): number {
  return exits.find((each) => each.cause === cause)?.count ?? 0
}
