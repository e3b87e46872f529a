/**
 * What a null call, a context switch, a page fault and a fork-like call cost under each mode and mmu, in virtual cycles and exits: the same kernel
 * (tools/guests, `micro`) asked for few and for many of them, and the difference taken, so that boot is left out.
 */
import { isTrap, type CostTable } from "./costs.ts"
import { microBoard, microVm, type Micro, type MicroMachine, type MicroRun } from "./suite/micro-guest.ts"
import type { Engine, EngineOptions } from "@backplane/compute-contract/engine"
import type { Board } from "@backplane/trap-board/board"
import type { BootImage } from "@backplane/trap-board/board-types"

export const OPERATIONS = ["null call", "context switch", "page fault", "fork-like", "working set"] as const satisfies readonly Micro[]

/** A machine as people name it; `native` is the board. */
export interface LedgerMachine {
  readonly mode: "native" | MicroMachine["mode"]
  readonly mmu: "walk" | "shadow" | "nested" | "softtlb" | "softtlb,l2"
}

export interface OperationCost extends LedgerMachine {
  readonly operation: Micro
  /** Virtual cycles and exits (natively: traps) of one. */
  readonly cycles: number
  readonly exits: number
  /** To the native machine with the same kind of TLB. */
  readonly ratio: number
}

export const LEDGER_MACHINES: readonly LedgerMachine[] = [
  { mode: "native", mmu: "walk" },
  { mode: "trap", mmu: "shadow" },
  { mode: "trap", mmu: "nested" },
  { mode: "assist", mmu: "shadow" },
  { mode: "assist", mmu: "nested" },
  { mode: "para", mmu: "shadow" },
  { mode: "para", mmu: "nested" },
  { mode: "native", mmu: "softtlb" },
  { mode: "trap", mmu: "softtlb" },
  { mode: "trap", mmu: "softtlb,l2" },
  { mode: "assist", mmu: "softtlb" },
  { mode: "para", mmu: "softtlb,l2" },
]

export interface MicroLedgerOptions {
  readonly image: BootImage
  readonly engineOf: (options: EngineOptions) => Engine
  readonly costs: CostTable
  /** How often: the difference counts. */
  readonly few: number
  readonly many: number
  /** Tables of the kernel's own, as xv6 has them. */
  readonly split?: boolean
}

interface Books {
  readonly cycles: number
  readonly exits: number
}

export function measureMicro(options: MicroLedgerOptions, machines: readonly LedgerMachine[] = LEDGER_MACHINES): readonly OperationCost[] {
  return OPERATIONS.flatMap((operation) => {
    const natives = new Map<boolean, Books>()
    const nativeOf = (soft: boolean): Books => {
      const known = natives.get(soft) ?? perOperation(options, operation, { mode: "native", mmu: soft ? "softtlb" : "walk" })
      natives.set(soft, known)
      return known
    }
    return machines.map((machine) => {
      const native = nativeOf(isSoft(machine))
      const { cycles, exits } = machine.mode === "native" ? native : perOperation(options, operation, machine)
      return { operation, ...machine, cycles: round(cycles), exits: round(exits), ratio: round(cycles / native.cycles) }
    })
  })
}

function perOperation(options: MicroLedgerOptions, what: Micro, machine: LedgerMachine): Books {
  const [few, many] = [options.few, options.many].map((count) => booksOf(options, { what, count }, machine)) as [Books, Books]
  const count = options.many - options.few
  return { cycles: (many.cycles - few.cycles) / count, exits: (many.exits - few.exits) / count }
}

function booksOf({ image, engineOf, costs, split = false }: MicroLedgerOptions, asked: MicroRun, { mode, mmu }: LedgerMachine): Books {
  const run: MicroRun = { ...asked, split, soft: isSoft({ mode, mmu }), para: mode === "para" }
  if (mode === "native") return nativeBooks(microBoard(image, run, engineOf), costs)
  const machine: MicroMachine = { mode, ...optionsOf(mmu), costs }
  const { ledger } = microVm(image, run, { machine, engineOf }).vm
  return { cycles: ledger.cycles(), exits: ledger.total() }
}

function nativeBooks(board: Board, costs: CostTable): Books {
  const traps = [...board.exits()].reduce((sum, [cause, count]) => (isTrap(cause) ? sum + count : sum), 0)
  return { cycles: board.instructions() + traps * costs.trap, exits: traps }
}

export function isSoft({ mmu }: LedgerMachine): boolean {
  return mmu === "softtlb" || mmu === "softtlb,l2"
}

function optionsOf(mmu: LedgerMachine["mmu"]): Pick<MicroMachine, "mmu" | "secondLevelTlb"> {
  if (mmu === "softtlb,l2") return { mmu: "softtlb", secondLevelTlb: true }
  return mmu === "walk" ? {} : { mmu }
}

const round = (value: number): number => Math.round(value * 100) / 100
