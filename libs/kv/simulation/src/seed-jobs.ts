/** Seeds shared by several processes: each takes every so-manieth, says what it finds, and tells its tally at the end. */
import { fork } from "node:child_process"
import { once } from "node:events"

export interface Tally {
  readonly failed: number
  readonly steps: number
}

/** This process is the `job`-th, counted from 0, of so many. */
export interface Share {
  readonly job: number
  readonly of: number
}

const SHARE = "--share"

/** What `inJobs` gave this process to do; null: all. */
export function ownShare(args: readonly string[]): Share | null {
  const at = args.indexOf(SHARE)
  if (at < 0) return null
  const [job = 0, of = 1] = (args[at + 1] ?? "").split("/").map(Number)
  return { job, of }
}

/** To who began this process. */
export function tell(tally: Tally): void {
  process.send?.(tally)
}

/** Runs `program` with `args` in `jobs` processes, each with its share. One that ends without a tally counts as a failure. */
export async function inJobs(program: string, args: readonly string[], jobs: number): Promise<Tally> {
  const tallies = await Promise.all(Array.from({ length: jobs }, (_, job) => runJob(program, [...args, SHARE, `${job}/${jobs}`])))
  return tallies.reduce((sum, { failed, steps }) => ({ failed: sum.failed + failed, steps: sum.steps + steps }), { failed: 0, steps: 0 })
}

async function runJob(program: string, args: readonly string[]): Promise<Tally> {
  const child = fork(program, args)
  let tally: Tally | null = null
  child.on("message", (message) => (tally = message as Tally))
  const [code, signal] = (await once(child, "close")) as [number | null, string | null]
  if (tally !== null) return tally
  console.error(`a process of the seeds ended without its tally: ${signal ?? `exit code ${code}`}`)
  return { failed: 1, steps: 0 }
}
