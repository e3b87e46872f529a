/**
 * `node libs/kv/simulation/src/apart.ts [--seed N] [--seconds S] [--json]`: replicas go apart while links break, and come together again.
 *
 * Behind `backplane check replicas`. Looks every two simulated seconds at which partitions' holders differ; then mends all links and waits until
 * none do. Ends with 1 where they stay apart, or where the history does not agree with what they ended with.
 */
import { after, virtualTime } from "@backplane/foundation-actor/virtual-time"
import { makeKvWorld, partitionsApart } from "./kv-world.ts"
import { wholeNumberOption } from "./options.ts"
import { judge } from "./verdict.ts"

const SECOND = 1_000_000
const LOOK_SECONDS = 2
/** When everything must be equal again, at the latest. */
const PATIENCE_SECONDS = 120

export interface ApartReport {
  readonly seed: number
  readonly requests: number
  readonly looks: readonly { readonly second: number; readonly network: "breaking" | "whole"; readonly partitionsApart: number }[]
  /** From the mending of all links until all holders were equal; null where that did not come. */
  readonly togetherAfterSeconds: number | null
  /** What the history says against the end state; null: it agrees. */
  readonly violation: string | null
}

export function goApart(seed: number, seconds: number): ApartReport {
  // Links that break more often than usual, and clients that hardly rest: much to go apart by in little time.
  const run = makeKvWorld(seed, {
    classes: new Set(["partition"]),
    cycles: seconds * SECOND,
    fingerprint: "off",
    pace: 5,
    pauseMax: 60_000,
  })
  const { world } = run
  const looks: ApartReport["looks"][number][] = []
  const look = (network: "breaking" | "whole"): number => {
    const apart = partitionsApart(run).length
    looks.push({ second: Math.round(world.now / SECOND), network, partitionsApart: apart })
    return apart
  }
  for (let second = LOOK_SECONDS; second <= seconds; second += LOOK_SECONDS) {
    world.run({ until: virtualTime(second * SECOND) })
    look("breaking")
  }
  world.heal()
  const healedAt = world.now
  let apart = Infinity
  for (let second = 0; second < PATIENCE_SECONDS && apart > 0; second++) {
    world.run({ until: after(world.now, SECOND) })
    apart = look("whole")
  }
  const isTogether = apart === 0
  return {
    seed,
    requests: run.history.length,
    looks,
    togetherAfterSeconds: isTogether ? (world.now - healedAt) / SECOND : null,
    violation: isTogether ? judge(run) : "not judged: replicas are still apart",
  }
}

function main(args: readonly string[]): number {
  const report = goApart(wholeNumberOption(args, "--seed", 1), wholeNumberOption(args, "--seconds", 12))
  if (args.includes("--json")) console.log(JSON.stringify(report))
  else {
    for (const { second, network, partitionsApart: apart } of report.looks)
      console.log(`${String(second).padStart(4)} s  links ${network.padEnd(8)}  ${apart} partitions apart`)
    console.log(`${report.requests} requests; ${report.violation ?? "every acknowledged write is there"}`)
  }
  return report.violation === null ? 0 : 1
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2))
