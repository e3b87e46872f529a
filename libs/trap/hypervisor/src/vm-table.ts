/**
 * Every VM of the machine and what became of it.
 *
 * Invariants: a life is begun only after the one before was given up; lives grow over all VMs and are never used twice, also not by a VM that
 * takes the name of one destroyed.
 */
import type { GuestOutcome } from "@backplane/compute-contract/guest-state"
import type { Json } from "@backplane/foundation-base/json"
import type { VmSpec } from "@backplane/scenario-machine/vm-spec"
import type { VmMoved, VmState } from "@backplane/trap-contract/vm-operator-messages"

/** A move to another node (vm-moves.ts). */
export interface VmMove {
  /** The life that the VM has there. */
  readonly life: number
  readonly to: number
  /** Life of that node. */
  readonly toLife: number
  readonly phase: "preparing" | "copying" | "placing"
}

export interface VmRecord {
  /** A VM that was bound to a node and was moved by hand is bound to the new one. */
  spec: VmSpec
  state: VmState
  /** The present or last life; 0: none yet. */
  life: number
  /** The first life of this VM; 0: none yet. */
  firstLife: number
  boots: number
  /** Where it lies or lay last: its disk is there. */
  node: number | null
  /** Life of that node that it was placed on; 0: to be told. */
  nodeLife: number
  /** Of one that lies on several nodes (vm-span.ts): where, the home first. Empty: on one. */
  parts: readonly VmPartRecord[]
  /** Memories of lives that are over, until the memory controllers have forgotten them; and the last life whose memory was to be forgotten. */
  closing: readonly string[]
  closedLife: number
  /** How it shall be and is not known to be yet. */
  pending: { readonly seq: number; readonly want: "running" | "paused" | "stopped" | "destroyed" } | null
  seq: number
  move: VmMove | null
  /** A move that was given up, until its source knows. */
  off: { readonly node: number; readonly life: number; readonly move: number } | null
  /** Lives that were left behind or never begun, until their nodes have destroyed them. */
  leavings: readonly { readonly node: number; readonly life: number }[]
  /** The last move, for people. */
  moved: VmMoved | null
  /** Why it was lost or refused. */
  reason: string
  outcome: GuestOutcome | null
}

/** Its part at one of its nodes. */
export interface VmPartRecord {
  readonly node: number
  /** As `nodeLife`. */
  readonly nodeLife: number
  /** The present life lies there, ready to run. */
  readonly isPlaced: boolean
}

/** States in which a VM uses a node, or is about to. */
export const LIVE_STATES: ReadonlySet<VmState> = new Set<VmState>(["placing", "running", "paused", "moving", "stopping"])

/** Key of the last life that was begun. */
export const LIVES_KEY = "vm-lives"

/** Of a record that was kept before VMs could move, or lie on several nodes. */
const NOT_MOVED = { move: null, off: null, leavings: [], moved: null, parts: [], closing: [], closedLife: 0 }

export function vmSpan({ spec }: Pick<VmRecord, "spec">): string {
  return `vm/${spec.name}`
}

export class VmTable {
  readonly #vms = new Map<string, VmRecord>()
  /** The last life that was begun. Only grows; kept with every record. */
  #lives = 0

  get(name: string): VmRecord | undefined {
    return this.#vms.get(name)
  }

  /** In order of creation. */
  all(): readonly VmRecord[] {
    return [...this.#vms.values()]
  }

  add(spec: VmSpec): VmRecord {
    const record: VmRecord = {
      spec,
      state: "stopped",
      life: 0,
      firstLife: 0,
      boots: 0,
      node: null,
      nodeLife: 0,
      parts: [],
      closing: [],
      closedLife: 0,
      pending: null,
      seq: 0,
      move: null,
      off: null,
      leavings: [],
      moved: null,
      reason: "",
      outcome: null,
    }
    this.#vms.set(spec.name, record)
    return record
  }

  remove({ spec }: VmRecord): void {
    this.#vms.delete(spec.name)
  }

  nextLife(): number {
    this.#lives++
    return this.#lives
  }

  get lives(): number {
    return this.#lives
  }

  restore(records: readonly Json[], lives: number): void {
    this.#lives = lives
    for (const kept of records) {
      const record = { ...NOT_MOVED, ...(kept as unknown as VmRecord) }
      this.#lives = Math.max(this.#lives, record.life)
      this.#vms.set(record.spec.name, record)
    }
  }
}
