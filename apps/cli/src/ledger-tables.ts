/**
 * `backplane ledger` without a kernel: tables B.1 to B.5 as observed on a kernel of the smallest size that ships with the project, and what its
 * operations cost in virtual cycles under each mode and mmu, beside what Xen and Disco published.
 */
import { fileURLToPath } from "node:url"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { costTable } from "@backplane/trap-vmm/costs"
import { isSoft, LEDGER_MACHINES, measureMicro, OPERATIONS, type LedgerMachine, type OperationCost } from "@backplane/trap-vmm/micro-ledger"
import {
  directCallTable,
  nativeCallTable,
  nativeMissTable,
  systemCallTable,
  tlbMissTable,
  type ObservedStep,
} from "@backplane/trap-vmm/ostep-tables"
import { PUBLISHED, PUBLISHED_NOTE } from "@backplane/trap-vmm/published"
import { MICRO_BYTES, microBoard, microVm, type MicroRun } from "@backplane/trap-vmm/suite/micro-guest"
import { readGuest } from "./guest-file.ts"
import { planOf } from "./boot-flags.ts"
import { presetOf, printSteps, type LedgerFlags } from "./ledger-run.ts"

const KERNEL = fileURLToPath(new URL("../../../tools/guests/images/micro.elf", import.meta.url))
const CALLS = 100
const FEW = 10
const MANY = 60

export type TableFlags = Pick<LedgerFlags, "mode" | "mmu" | "costs" | "json">

interface Table {
  readonly title: string
  readonly observed: string
  readonly steps: readonly ObservedStep[]
}

/** `machines`: what the operations are measured on; the tables are of the one that was asked for, in any case. */
export function showTables(flags: TableFlags, machines: "every" | "asked"): number {
  const preset = presetOf(flags.costs)
  const image = readGuest(KERNEL, MICRO_BYTES, "kernel")
  const costs = costTable(preset)
  const engineOf = (options: ConstructorParameters<typeof WasmEngine>[0]): WasmEngine => new WasmEngine(options)
  const plan = planOf({ ...flags, trapPath: "resident" })
  const machine: LedgerMachine = plan
  const asked = machines === "every" ? LEDGER_MACHINES : withAsked(machine)
  const operations = measureMicro({ image, engineOf, costs, few: FEW, many: MANY }, asked)
  const calls: MicroRun = { what: "null call", count: CALLS }
  const misses: MicroRun = { what: "working set", count: 4, soft: true }
  const mode = plan.mode === "native" ? "trap" : plan.mode
  const secondLevelTlb = plan.mmu === "softtlb,l2"
  const mmu = plan.mmu === "nested" ? "nested" : "shadow"
  const nativeMisses = microBoard(image, misses, engineOf).exits()
  const called = microVm(image, calls, { machine: { mode, mmu }, engineOf }).vm.systemCalls
  const missed = microVm(image, misses, { machine: { mode, mmu: "softtlb", secondLevelTlb }, engineOf }).vm.tlbMisses.totals()
  const nativeCount = ["fetch", "load", "store"].reduce((sum, kind) => sum + (nativeMisses.get(`tlb-refill-${kind}`) ?? 0), 0)
  // One call more than was asked: the one that ends the guest, which does not return.
  const nativeCalls = (microBoard(image, calls, engineOf).exits().get("ecall-from-user") ?? 1) - 1
  const { fewest, most } = called.totals()
  const remembered = `${missed.remembered} served by the VMM's second level in one exit`
  const tables: Readonly<Record<string, Table>> = {
    "B.1": { title: "executing a system call", observed: `native, ${nativeCalls} calls`, steps: directCallTable(nativeCalls, costs) },
    "B.2": {
      title: "system call flow without virtualization",
      observed: `native, ${nativeCalls} calls`,
      steps: nativeCallTable(nativeCalls, costs),
    },
    "B.3": {
      title: "system call flow with virtualization",
      observed: `${mode}, ${mmu}: ${called.totals().calls} calls of ${range(fewest, most)} exits`,
      steps: systemCallTable(called, costs),
    },
    "B.4": {
      title: "TLB miss flow without virtualization",
      observed: `native, softtlb: ${nativeCount} misses`,
      steps: nativeMissTable(nativeCount, costs),
    },
    "B.5": {
      title: "TLB miss flow with virtualization",
      observed: `${mode}, softtlb: ${missed.misses} misses of ${range(missed.fewest, missed.most)} exits, ${remembered}`,
      steps: tlbMissTable(missed, costs),
    },
  }
  if (flags.json === true)
    console.log(
      JSON.stringify({
        mode: plan.mode,
        mmu: plan.mmu,
        costs: preset,
        tables,
        operations,
        published: PUBLISHED,
        publishedNote: PUBLISHED_NOTE,
      }),
    )
  else print({ tables, operations, preset })
  return 0
}

/** The machine that was asked for, beside the native one of its kind. */
function withAsked(asked: LedgerMachine): readonly LedgerMachine[] {
  const native: LedgerMachine = { mode: "native", mmu: isSoft(asked) ? "softtlb" : "walk" }
  return asked.mode === "native" ? [native] : [native, asked]
}

interface Result {
  readonly tables: Readonly<Record<string, Table>>
  readonly operations: readonly OperationCost[]
  readonly preset: string
}

function print({ tables, operations, preset }: Result): void {
  for (const [name, { title, observed, steps }] of Object.entries(tables)) {
    console.log(`Table ${name}: ${title} (${observed})`)
    printSteps(steps)
    console.log("")
  }
  console.log(`One operation in virtual cycles (${preset}), exits (natively: traps), ratio to native`)
  for (const operation of OPERATIONS) {
    for (const row of operations.filter((one) => one.operation === operation)) {
      const machine = `${row.mode}, ${row.mmu}`.padEnd(20)
      console.log(
        `  ${operation.padEnd(15)} ${machine} ${String(row.cycles).padStart(10)} ${String(row.exits).padStart(8)} ${String(row.ratio).padStart(8)}`,
      )
    }
  }
  console.log(`\nPublished, ratio to native (${PUBLISHED_NOTE})`)
  for (const { system, operation, ratio, source } of PUBLISHED) {
    console.log(`  ${operation.padEnd(22)} ${system.padEnd(22)} ${String(ratio).padStart(8)}  ${source}`)
  }
}

function range(fewest: number, most: number): string {
  return fewest === most ? String(most) : `${fewest} to ${most}`
}
