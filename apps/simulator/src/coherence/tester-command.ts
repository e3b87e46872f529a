/** `memory-tester`: the random tester as a command, and its score against the planted bugs of the protocol. */
import { parseArgs } from "node:util"
import { PLANTED_PROTOCOLS, type PlantedProtocol } from "@backplane/memory-coherence/planted"
import { runRandomTester } from "./random-tester.ts"
import { FlagError } from "../whole-flag.ts"

/** Operations of one run of the command: each run has another seed. */
const OPERATIONS_PER_RUN = 1_000_000
const PLANTED_OPERATIONS = 3_000
const PLANTED_SEEDS_MAX = 40
const LONG_SEEDS_MAX = 8
/** Most accesses are to pages that others visit seldom: many operations in little time. */
const LONG_PRIVACY = 0.98
const SHORT_LIFE_CYCLES = 3_000
/** Shorter than two hops: what was on its way when the controller died comes when its new life has begun. */
const SHORT_DOWN_CYCLES = 30

/** In some runs much is given back at first and nothing later: what hangs is not freed by chance. */
const CALM = { evictEveryCycles: 30, moveCycles: 60, calmAfterCycles: 60_000 } as const

/** What hangs only if the frames come to rest at the wrong moment: one such moment in each of many short runs. */
const REST = { operations: 1_000, evictEveryCycles: 10, moveCycles: 60, calmAfterCycles: 8_000 } as const
const REST_SEEDS_MAX = 300

/** Seed after seed, until the bug shows. */
export function testerFinds(
  { protocol, needs }: PlantedProtocol,
  seedsMax: number,
): { readonly seeds: number; readonly difference: string | null } {
  const faults = needs === "crashes" ? "messages-and-controller" : "messages"
  for (let seed = 1; seed <= seedsMax; seed++) {
    // What only shows in a rebuild at the right moment shows where there are many.
    const lifeCycles = seed % 2 === 0 ? SHORT_LIFE_CYCLES : undefined
    const { difference } = runRandomTester({
      seed,
      operations: PLANTED_OPERATIONS,
      faults,
      protocol,
      moves: needs === "moves",
      ...(lifeCycles !== undefined && { lifeCycles }),
      ...(seed % 4 === 2 && { downCycles: SHORT_DOWN_CYCLES }),
      ...(seed % 3 === 0 && CALM),
    })
    if (difference !== null) return { seeds: seed, difference: difference.split("\n")[0] ?? difference }
  }
  // What takes several rare things in a row shows in long runs only.
  for (let seed = 1; needs === "crashes" && seed <= LONG_SEEDS_MAX; seed++) {
    const { difference } = runRandomTester({ seed, operations: OPERATIONS_PER_RUN, faults, protocol, privacy: LONG_PRIVACY })
    if (difference !== null) return { seeds: seedsMax + seed, difference: difference.split("\n")[0] ?? difference }
  }
  for (let seed = 1; needs === "moves" && seed <= REST_SEEDS_MAX; seed++) {
    const { difference } = runRandomTester({ seed, faults, protocol, moves: true, ...REST })
    if (difference !== null) return { seeds: seedsMax + seed, difference: difference.split("\n")[0] ?? difference }
  }
  return { seeds: seedsMax, difference: null }
}

function planted(json: boolean): number {
  const reports = PLANTED_PROTOCOLS.map((bug) => {
    const found = testerFinds(bug, PLANTED_SEEDS_MAX)
    if (!json)
      console.log(
        found.difference === null ? `NOT FOUND  ${bug.bug}` : `found  ${bug.bug}\n         seed ${found.seeds}: ${found.difference}`,
      )
    return { bug: bug.bug, ...found }
  })
  const missed = reports.filter(({ difference }) => difference === null).length
  if (json) console.log(JSON.stringify({ planted: reports.length, missed, reports }))
  else console.log(`${reports.length - missed} of ${reports.length} planted bugs found`)
  return missed === 0 ? 0 : 1
}

export function testerCommand(args: readonly string[]): number {
  const { values } = parseArgs({
    args: [...args],
    options: {
      operations: { type: "string", default: "1000000" },
      from: { type: "string", default: "1" },
      faults: { type: "string", default: "messages-and-controller" },
      moves: { type: "boolean", default: false },
      swap: { type: "boolean", default: false },
      planted: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  })
  if (values.planted) return planted(values.json)
  const { faults } = values
  if (faults !== "none" && faults !== "messages" && faults !== "messages-and-controller")
    throw new FlagError(`--faults is none, messages or messages-and-controller, not ${faults}`)
  let left = Number(values.operations)
  const runs = []
  for (let seed = Number(values.from); left > 0; seed++) {
    const run = runRandomTester({
      seed,
      operations: Math.min(left, OPERATIONS_PER_RUN),
      faults,
      privacy: LONG_PRIVACY,
      moves: values.moves,
      swap: values.swap,
    })
    left -= run.operations
    runs.push(run)
    if (!values.json)
      console.log(
        `seed ${seed}: ${run.operations} operations, ${run.messages} messages, controller killed ${run.restarts} times, ${run.migrations} frames moved: ${run.difference ?? "one memory"}`,
      )
    if (run.difference !== null) break
  }
  const different = runs.find(({ difference }) => difference !== null) ?? null
  const total = runs.reduce((sum, { operations }) => sum + operations, 0)
  const restarts = runs.reduce((sum, run) => sum + run.restarts, 0)
  if (values.json) console.log(JSON.stringify({ operations: total, restarts, difference: different?.difference ?? null, runs }))
  else
    console.log(
      `${total} operations, controller killed ${restarts} times: ${different === null ? "no difference to one flat memory" : "DIFFERENT"}`,
    )
  return different === null ? 0 : 1
}
