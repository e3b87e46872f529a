/** What `/api/machine` of the gateway answers: what the services say of themselves (`inspect`), unchanged. */

/** From, to, task, tick since which the cache was warm for it. */
export type RunLength = readonly [number, number, string, number]

export interface CpuData {
  readonly cpu: number
  readonly state: string
  readonly task: string | null
  readonly sinceTick: number
  readonly busyTicks: number
  readonly recent: readonly RunLength[]
}

export interface NodeData {
  readonly node: number
  readonly policy: string
  readonly dispatches: number
  readonly cpus: readonly CpuData[]
  /** Virtual machines that lie here. */
  readonly vms?: { readonly vms: readonly { readonly vm: string; readonly exits?: Readonly<Record<string, number>> }[] } | null
  /** `home`: the node of its frames. */
  readonly tasks: readonly { readonly task: string; readonly state: string; readonly queue: string; readonly home?: number }[]
}

/** A candidate that hears all and decides nothing, and how its choices differ from those in force. */
export interface ShadowData {
  readonly epoch: number
  readonly policy: string
  readonly state: "under way" | "passed" | "rejected"
  readonly reason: string
  readonly untilTick: number
  readonly periods: number
  readonly same: number
  readonly differences: Readonly<Record<string, number>>
  readonly first: readonly {
    readonly tick: number
    readonly cpu: number
    readonly difference: string
    readonly active: string | null
    readonly shadow: string | null
  }[]
}

export interface MachineData {
  readonly machine: string
  readonly mode: string
  readonly ready: boolean
  /** Ticks per second of the wall, 0 in lock-step. */
  readonly ticksPerSecond: number
  readonly actors: readonly { readonly actor: string; readonly instance: string; readonly running: boolean }[]
  readonly hypervisor: {
    readonly policy: string
    readonly epoch: number
    /** Nodes schedule by themselves: somebody asked for it, or the policy was ejected. */
    readonly fallback?: boolean
    readonly fallbackAsked?: boolean
    /** Prefixes of queues: empty or `set1` is a policy of ours, any other a service that has attached. */
    readonly seats?: readonly { readonly seat: string }[]
    readonly jobs: Readonly<Record<string, number>>
    readonly lost: readonly { readonly job: string; readonly reason: string }[]
    readonly shadow?: ShadowData | null
  } | null
  /** Of the memory controller; null while it is not there. */
  readonly memory: {
    readonly free: readonly number[]
    readonly leases: readonly { readonly owner: string; readonly frames: number; readonly home: number }[]
  } | null
  readonly nodes: readonly (NodeData | null)[]
}

export interface StackData {
  readonly machines: readonly MachineData[]
  readonly instances: readonly { readonly service: string; readonly instance: string }[]
}

/** What the feed says where it cannot say more. */
export interface FeedFailure {
  readonly failed: string
}
