/** `backplane check`: `coherence` searches every state that the coherence protocol can reach within bounds, `memory` tries it out on the running machine. */
import { checkCoherence, checkPlanted } from "@backplane/memory-coherence/checker/check"
import { InvalidArgumentError, type Command } from "commander"
import { passThrough } from "../checkout.ts"
import { count } from "../number-flags.ts"

/** 64 bits of hash and what leads back: about 26 bytes a state, beside the states still to be looked at. */
const STATES_MAX = 50_000_000

function states(text: string): number {
  const value = count(text)
  if (value > STATES_MAX) throw new InvalidArgumentError(`give at most ${STATES_MAX}: more does not fit in memory`)
  return value
}

interface Flags {
  readonly states: number
  readonly planted?: true
  readonly json?: true
}

export function register(program: Command): void {
  const check = program
    .command("check")
    .description("check shared memory; ends with 1 where a promise is broken, and says how it came to that")
  check
    .command("memory")
    .description("random harts on three nodes in one memory, in simulation, under faults: every access compared with one flat memory")
    .option("--operations <n>", "how many loads, stores and atomics", count, 1_000_000)
    .option("--from <seed>", "the first seed; each million operations has the next", count, 1)
    .option("--faults <faults>", "none, messages or messages-and-controller", "messages-and-controller")
    .option("--planted", "break the protocol in each of the known ways instead, and demand that it be found")
    .option("--json", "print JSON")
    .action(async (flags: Readonly<Record<string, string | number | true>>) => {
      const args = Object.entries(flags).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, String(value)]))
      process.exitCode = await passThrough("apps/simulator/src/main.ts", ["memory-tester", ...args])
    })
  check
    .command("coherence")
    .description("the coherence protocol with three nodes, two pages, a network that loses, doubles and reorders, and a home that dies")
    .option("--states <n>", "how many states to look at", states, 1_200_000)
    .option("--planted", "break the protocol in each of the known ways instead, and demand that it be found")
    .option("--json", "print JSON")
    .action((flags: Flags) => {
      process.exitCode = flags.planted === true ? planted(flags.json === true) : search(flags.states, flags.json === true)
    })
}

function search(statesMax: number, json: boolean): number {
  const report = checkCoherence(statesMax, ({ scope, states: seen, transitions, depth, complete, progressRuns }) => {
    if (json) return
    const what = complete ? "all states" : "states"
    console.log(`${scope}: ${seen} ${what}, ${transitions} transitions, ${depth} steps deep, ${progressRuns} runs to the end`)
  })
  if (json) console.log(JSON.stringify(report))
  else if (report.violation?.violation) console.log([report.violation.violation.what, ...report.violation.violation.way].join("\n  "))
  else console.log(`${report.states} states, no violation`)
  return report.violation === null ? 0 : 1
}

function planted(json: boolean): number {
  const reports = checkPlanted(({ bug, found }) => {
    if (!json)
      console.log(found === null ? `NOT FOUND  ${bug}` : `found  ${bug}\n         ${found.scope}, ${found.steps} steps: ${found.what}`)
  })
  const missed = reports.filter(({ found }) => found === null).length
  if (json) console.log(JSON.stringify({ planted: reports.length, missed, reports }))
  else console.log(`${reports.length - missed} of ${reports.length} planted bugs found`)
  return missed === 0 ? 0 : 1
}
