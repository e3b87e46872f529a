/** `backplane ledger`: boots a guest and says what left it: by cause and class, and by the numbered steps of OSTEP's tables. */
import { costTable, type CostTable } from "@backplane/trap-vmm/costs"
import { systemCallTable, tlbMissTable, type ObservedStep } from "@backplane/trap-vmm/ostep-tables"
import { runBoot, type BootReport } from "./boot-run.ts"
import { refuse, type BootFlags, type BootStep } from "./boot-flags.ts"
import type { VirtualBooks } from "./boot-machine.ts"

const NO_SOFTWARE_TLB = "page tables are walked, so the guest sees no TLB miss; give --mmu softtlb to a guest that fills its TLB"
const NO_MISS = "the guest has not filled its TLB by itself"
const EXIT_LIMIT = 124

const PRESETS = ["modern", "disco1997"] as const

export interface LedgerFlags extends BootFlags {
  readonly costs: string
}

interface Result {
  readonly report: BootReport
  readonly books: VirtualBooks
  readonly preset: (typeof PRESETS)[number]
  readonly costs: CostTable
}

export function presetOf(name: string): (typeof PRESETS)[number] {
  const preset = PRESETS.find((one) => one === name)
  if (preset === undefined) throw refuse("--costs", `there is no ${name}`, `give ${PRESETS.join(" or ")}`)
  return preset
}

export function showLedger(flags: LedgerFlags, steps: readonly BootStep[]): number {
  const preset = presetOf(flags.costs)
  const costs = costTable(preset)
  if (flags.mode === "native") throw refuse("--mode", "the native machine has no VMM to exit to", "give trap, assist or para")
  const { report, machine } = runBoot(flags, { steps, emit: () => undefined, costs })
  if (machine.virtual === null) throw refuse("--mode", "there is no VMM", "give trap, assist or para")
  // A run that only came to its limit is what a ledger is usually taken of.
  const isLimit = report.exit === EXIT_LIMIT && report.reason === "limit" && report.message === undefined
  const result = { report: isLimit ? { ...report, ok: true, exit: 0 } : report, books: machine.virtual, preset, costs }
  if (flags.json === true) console.log(JSON.stringify(asJson(result)))
  else print(result)
  return result.report.exit
}

/** Why table B.5 has nothing to show, or null. */
function missing({ mmu }: BootReport, { tlbMisses }: VirtualBooks): string | null {
  if (mmu !== "softtlb" && mmu !== "softtlb,l2") return NO_SOFTWARE_TLB
  const { misses, remembered } = tlbMisses.totals()
  return misses + remembered === 0 ? NO_MISS : null
}

function asJson({ report, books, preset, costs }: Result): object {
  const { ledger, systemCalls, tlbMisses, para } = books
  const { calls, entered, inside, returned, fewest, most } = systemCalls.totals()
  const total = entered + inside + returned
  const why = missing(report, books)
  return {
    ...report,
    costs: preset,
    exits: ledger.rows(),
    virtualCycles: ledger.cycles(),
    tables: {
      "B.3": {
        title: "system call flow with virtualization",
        steps: systemCallTable(systemCalls, costs),
        calls,
        exitsPerCall: { fewest, mean: calls === 0 ? 0 : Math.round((total / calls) * 100) / 100, most },
        inside: Object.fromEntries(systemCalls.inside()),
      },
      "B.5": {
        title: "TLB miss flow with virtualization",
        steps: tlbMissTable(tlbMisses.totals(), costs),
        observed: why === null ? tlbMisses.totals() : null,
        ...(why !== null && { reason: why }),
      },
    },
    ...(para !== null && { hypercalls: { ...para.counts(), calls: Object.fromEntries(para.counts().calls) } }),
  }
}

function print({ report, books, preset, costs }: Result): void {
  const { ledger, systemCalls, tlbMisses, para } = books
  console.log(
    `${report.mode}, ${report.mmu}: ${report.instructions} instructions, ${ledger.total()} exits, ${ledger.cycles()} virtual cycles as on ${preset} (${report.reason})`,
  )
  if (report.message !== undefined) console.error(`backplane: ${report.reason}: ${report.message}`)
  for (const { cause, class: exitClass, count, cycles } of ledger.rows()) {
    console.log(`${String(count).padStart(12)}  ${exitClass}  ${cause.padEnd(28)}  ${cycles} cycles`)
  }
  const { calls, fewest, most } = systemCalls.totals()
  console.log(`\nTable B.3, ${calls} system calls of ${fewest} to ${most} exits`)
  printSteps(systemCallTable(systemCalls, costs))
  const why = missing(report, books)
  const misses = tlbMisses.totals()
  const seen = `${misses.misses} misses of ${misses.fewest} to ${misses.most} exits, ${misses.remembered} served by the second level in one`
  console.log(`\nTable B.5${why === null ? `, ${seen}` : `: not observed: ${why}`}`)
  if (why === null) printSteps(tlbMissTable(misses, costs))
  if (para !== null) {
    const { zeroingAvoided, zeroed, updates, pagesOut } = para.counts()
    console.log(
      `\nHypercalls: ${updates} entries updated, ${zeroingAvoided} pages not zeroed twice, ${zeroed} zeroed, ${pagesOut} pages out`,
    )
  }
}

export function printSteps(steps: readonly ObservedStep[]): void {
  for (const { step, who, text, exits, cycles } of steps) {
    const seen = exits === null ? "" : `${exits} exits, ${cycles ?? 0} cycles`
    console.log(`${String(step).padStart(3)}  ${who.padEnd(16)}  ${seen.padEnd(26)}  ${text}`)
  }
}
