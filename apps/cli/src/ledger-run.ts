/** `backplane ledger`: boots a guest and says what left it: by cause and class, and by the numbered steps of OSTEP's tables. */
import { systemCallTable, TLB_MISS_STEPS } from "@backplane/trap-vmm/ostep-tables"
import { runBoot, type BootReport } from "./boot-run.ts"
import { refuse, type BootFlags, type BootStep } from "./boot-flags.ts"
import type { Ledger } from "@backplane/trap-vmm/ledger"
import type { SystemCalls } from "@backplane/trap-vmm/system-calls"

const TLB_MISS_REASON = "shadow tables hide TLB misses from the guest; --mmu softtlb, whose guest fills the TLB, is not built"
const EXIT_LIMIT = 124

export function showLedger(flags: BootFlags, steps: readonly BootStep[]): number {
  if (flags.mode === "native") throw refuse("--mode", "the native machine has no VMM to exit to", "give trap or assist")
  const { report, machine } = runBoot(flags, { steps, emit: () => undefined })
  if (machine.virtual === null) throw refuse("--mode", "there is no VMM", "give trap or assist")
  const { ledger, systemCalls } = machine.virtual
  if (flags.json === true) console.log(JSON.stringify(asJson(report, { ledger, systemCalls })))
  else print(report, { ledger, systemCalls })
  // A run that only came to its limit is what a ledger is usually taken of.
  return report.exit === EXIT_LIMIT && report.reason === "limit" ? 0 : report.exit
}

interface Books {
  readonly ledger: Ledger
  readonly systemCalls: SystemCalls
}

function asJson(report: BootReport, { ledger, systemCalls }: Books): object {
  const { calls, entered, inside, returned, fewest, most } = systemCalls.totals()
  const total = entered + inside + returned
  return {
    ...report,
    exits: ledger.rows(),
    tables: {
      "B.3": {
        title: "system call flow with virtualization",
        steps: systemCallTable(systemCalls),
        calls,
        exitsPerCall: { fewest, mean: calls === 0 ? 0 : Math.round((total / calls) * 100) / 100, most },
        inside: Object.fromEntries(systemCalls.inside()),
      },
      "B.5": { title: "TLB miss flow with virtualization", steps: TLB_MISS_STEPS, observed: null, reason: TLB_MISS_REASON },
    },
  }
}

function print(report: BootReport, { ledger, systemCalls }: Books): void {
  console.log(`${report.mode}, ${report.mmu}: ${report.instructions} instructions, ${ledger.total()} exits (${report.reason})`)
  for (const { cause, class: exitClass, count } of ledger.rows()) console.log(`${String(count).padStart(12)}  ${exitClass}  ${cause}`)
  const { calls, fewest, most } = systemCalls.totals()
  console.log(`\nTable B.3, ${calls} system calls of ${fewest} to ${most} exits`)
  const observed = systemCallTable(systemCalls)
  for (const { step, who, text, exits } of observed) {
    console.log(`${String(step).padStart(3)}  ${who.padEnd(16)}  ${(exits === null ? "" : `${exits} exits`).padEnd(14)}  ${text}`)
  }
  console.log(`\nTable B.5: not observed: ${TLB_MISS_REASON}`)
  for (const { step, who, text } of TLB_MISS_STEPS) console.log(`${String(step).padStart(3)}  ${who.padEnd(16)}  ${text}`)
}
