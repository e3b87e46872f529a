/**
 * What it costs to be seen: CPU time of the whole stack for the same virtual work, with telemetry off, sampled, and all of it with a console open.
 *
 * Three works. `cost_share`: four virtual machines that compute, so that the machine gives what the computer under it can: what more CPU the same
 * instructions take is throughput lost (`_sampled`: one trace in twenty; `_console`: all, and a page that is looked at). `cost_share_lockstep`: jobs without code in lock-step, where
 * messages are all there is to do: the worst case. `cost_share_ease`: the default scenario as time passes, nearly idle, so that little is a large share.
 * Shares are of the CPU time without telemetry, of the same round.
 */
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { defined } from "@backplane/foundation-base/assert"
import type { Bench, BenchOptions, Figure } from "./bench.ts"
import { parseProcessStat } from "./others-cpu.ts"
import { figureOf, interleaved } from "./rounds.ts"

const ROOT = join(import.meta.dirname, "../../..")
const DEADLINE_MS = 180_000
/** Of the default scenario in each round. */
const WATCH_MILLISECONDS = 5_000
const TICKS_PER_SECOND = 100
const COMPUTING = ["run", join(ROOT, "tools/bench/scenarios/computing-vms.yaml"), "--live", "--json"]
const JOBS = [
  "jobs",
  "--cpus",
  "4",
  "--nodes",
  "2",
  "--job-count",
  "40",
  "--max-run",
  "400",
  "--max-wset",
  "60",
  "--per-cpu-queues",
  "--live",
  "--json",
]

const MODES = {
  off: { OTEL_SDK_DISABLED: "true" },
  sampled: { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.05" },
  all: {},
} as const
type Mode = keyof typeof MODES

interface RunningStack {
  readonly home: string
  readonly url: string
}

function program(file: string, args: readonly string[], more: NodeJS.ProcessEnv = {}): void {
  const run = spawnSync(process.execPath, [join(ROOT, file), ...args], {
    cwd: ROOT,
    env: { ...process.env, ...more, NO_COLOR: "1" },
    encoding: "utf8",
    timeout: DEADLINE_MS,
  })
  if (run.status !== 0) throw new Error(`${file} ${args.join(" ")}: ${run.stdout}${run.stderr}`)
}

/** `backplane <command>` on a stack, without holding up this process: the reader of its feed is here. */
function commandOn(home: string, command: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [join(ROOT, "apps/cli/src/main.ts"), "--home", home, ...command], {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "inherit"],
    timeout: DEADLINE_MS,
  })
  return new Promise((resolve, reject) => {
    child.once("error", reject)
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`backplane ${command.join(" ")} ended with ${code}`))))
  })
}

function up(mode: Mode): RunningStack {
  const home = mkdtempSync(join(tmpdir(), `backplane-telemetry-${mode}-`))
  program("tools/stack/src/main.ts", ["up", "--home", home, "--detach"], MODES[mode])
  return { home, url: stateOf(home).http.url }
}

function down({ home }: RunningStack): void {
  program("tools/stack/src/main.ts", ["down", "--home", home])
  rmSync(home, { recursive: true, force: true })
}

function stateOf(home: string): {
  readonly http: { readonly url: string }
  readonly processes: readonly { readonly pid: number | null }[]
} {
  return JSON.parse(readFileSync(join(home, "stack.json"), "utf8")) as ReturnType<typeof stateOf>
}

/** CPU seconds that the stack's processes have used so far. */
function cpuSeconds({ home }: RunningStack): number {
  const ticks = stateOf(home).processes.map(({ pid }) => {
    const stat = parseProcessStat(readFileSync(`/proc/${defined(pid ?? undefined, "every process of the stack runs")}/stat`, "utf8"))
    return defined(stat ?? undefined, "a process's stat can be read").ticks
  })
  return ticks.reduce((sum, each) => sum + each, 0) / TICKS_PER_SECOND
}

async function spent(stack: RunningStack, work: () => Promise<void> | void): Promise<number> {
  const before = cpuSeconds(stack)
  await work()
  return cpuSeconds(stack) - before
}

/** As a browser does: reads the feed as fast as it comes. */
async function watched(stack: RunningStack, work: () => Promise<void>): Promise<void> {
  const stop = new AbortController()
  const reading = (async () => {
    const response = await fetch(`${stack.url}/api/machine/stream`, { signal: stop.signal })
    for await (const piece of defined(response.body ?? undefined, "the feed has a body")) void piece
  })().catch(() => undefined)
  await work()
  stop.abort()
  await reading
}

const pass = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, WATCH_MILLISECONDS))

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const stacks = { off: up("off"), sampled: up("sampled"), all: up("all") }
  const running = (stack: RunningStack, command: readonly string[]): Promise<void> => commandOn(stack.home, command)
  const computing = (stack: RunningStack) => (): Promise<number> => spent(stack, () => running(stack, COMPUTING))
  const jobs = (stack: RunningStack) => (): Promise<number> => spent(stack, () => running(stack, JOBS))
  const ease = (stack: RunningStack) => (): Promise<number> => spent(stack, pass)
  try {
    const rounds = await interleaved(
      {
        off: computing(stacks.off),
        sampled: computing(stacks.sampled),
        all: computing(stacks.all),
        console: () => spent(stacks.all, () => watched(stacks.all, () => running(stacks.all, COMPUTING))),
        easeOff: ease(stacks.off),
        easeAll: ease(stacks.all),
        easeConsole: () => spent(stacks.all, () => watched(stacks.all, pass)),
        jobsOff: jobs(stacks.off),
        jobsAll: jobs(stacks.all),
      },
      options,
    )
    const share = (name: string, ours: readonly number[], base: readonly number[]): Figure =>
      figureOf(
        { name, unit: "of the CPU time without", better: "lower" },
        {
          ours: ours.map((each, index) => each / defined(base[index], "as many rounds") - 1),
          baseline: base,
          baselineName: "CPU seconds with telemetry off",
        },
      )
    return [
      share("cost_share", rounds.all, rounds.off),
      share("cost_share_sampled", rounds.sampled, rounds.off),
      share("cost_share_console", rounds.console, rounds.off),
      share("cost_share_lockstep", rounds.jobsAll, rounds.jobsOff),
      share("cost_share_ease", rounds.easeAll, rounds.easeOff),
      share("cost_share_ease_console", rounds.easeConsole, rounds.easeOff),
    ]
  } finally {
    for (const stack of Object.values(stacks)) down(stack)
  }
}

export const bench: Bench = {
  name: "telemetry",
  summary: "what it costs to be seen: CPU of the stack with telemetry off, sampled, all, and with a console open",
  run,
}
