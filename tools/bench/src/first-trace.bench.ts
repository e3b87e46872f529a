/**
 * Seconds from a fresh clone to a trace on the screen, by the two commands that a newcomer types: `npm start -- --detach`, and `npx backplane trace last <flow>` until there is one.
 *
 * The clone has no `node_modules`; whether npm's cache of this computer is warm and a nats-server is installed is as it is here. The baseline is
 * `npm ci` alone in another fresh clone: what no project with these dependencies can be faster than.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Bench, BenchOptions, Figure } from "./bench.ts"
import { figureOf } from "./rounds.ts"

const ROOT = join(import.meta.dirname, "../../..")
const DEADLINE_MS = 600_000
const FLOWS = ["migration", "reconciliation", "trap"] as const

/** Only what a user's shell has: the path of this run leads to the modules of this checkout. */
function userEnvironment(): NodeJS.ProcessEnv {
  const { PATH = "", HOME, ...rest } = process.env
  const path = PATH.split(":").filter((folder) => !folder.includes("node_modules"))
  const npm = Object.fromEntries(Object.entries(rest).filter(([name]) => !/^(npm_|NX_|BACKPLANE_|NODE_OPTIONS)/.test(name)))
  return { ...npm, PATH: path.join(":"), ...(HOME !== undefined && { HOME }), NX_DAEMON: "false", NO_COLOR: "1" }
}

function typed(folder: string, program: string, args: readonly string[]): { readonly code: number; readonly output: string } {
  const done = spawnSync(program, args, { cwd: folder, env: userEnvironment(), encoding: "utf8", timeout: DEADLINE_MS })
  return { code: done.status ?? 1, output: `${done.stdout}${done.stderr}` }
}

function clone(): string {
  const folder = join(mkdtempSync(join(tmpdir(), "backplane-clone-")), "backplane")
  const { code, output } = typed(ROOT, "git", ["clone", "--quiet", "--no-hardlinks", ROOT, folder])
  if (code !== 0) throw new Error(`git clone failed: ${output}`)
  return folder
}

interface FirstHour {
  readonly ready: number
  readonly flows: Readonly<Record<string, number>>
}

async function firstHour(progress: BenchOptions["progress"]): Promise<FirstHour> {
  const folder = clone()
  const began = performance.now()
  const seconds = (): number => (performance.now() - began) / 1000
  try {
    const { code, output } = typed(folder, "npm", ["start", "--", "--detach"])
    if (code !== 0) throw new Error(`npm start failed:\n${output}`)
    const ready = seconds()
    progress(`ready after ${ready.toFixed(1)} s`)
    const flows: Record<string, number> = {}
    while (Object.keys(flows).length < FLOWS.length) {
      if (seconds() * 1000 > DEADLINE_MS)
        throw new Error(`no ${FLOWS.filter((flow) => !(flow in flows)).join(", ")} after ${seconds().toFixed(0)} s`)
      for (const flow of FLOWS) {
        if (flow in flows || typed(folder, "npx", ["backplane", "trace", "last", flow]).code !== 0) continue
        flows[flow] = seconds()
        progress(`${flow} after ${seconds().toFixed(1)} s`)
      }
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    return { ready, flows }
  } finally {
    typed(folder, "npx", ["nx", "run", "stack:down"])
    rmSync(join(folder, ".."), { recursive: true, force: true })
  }
}

function bareInstall(): number {
  const folder = clone()
  const began = performance.now()
  try {
    const { code, output } = typed(folder, "npm", ["ci"])
    if (code !== 0) throw new Error(`npm ci failed:\n${output}`)
    return (performance.now() - began) / 1000
  } finally {
    rmSync(join(folder, ".."), { recursive: true, force: true })
  }
}

async function run({ rounds, progress }: BenchOptions): Promise<readonly Figure[]> {
  const lockBytes = readFileSync(join(ROOT, "package-lock.json")).length
  progress(`lock file of ${lockBytes} bytes; uncommitted changes are not in a clone`)
  const bare: number[] = []
  const ours: FirstHour[] = []
  for (let round = 0; round < rounds; round++) {
    bare.push(bareInstall())
    ours.push(await firstHour(progress))
  }
  const compared = (name: string, of: (hour: FirstHour) => number): Figure =>
    figureOf({ name, unit: "s", better: "lower" }, { ours: ours.map(of), baseline: bare, baselineName: "npm ci in a fresh clone" })
  return [
    compared("ready_seconds", ({ ready }) => ready),
    compared("first_trace_seconds", ({ flows }) => Math.min(...Object.values(flows))),
    ...FLOWS.map((flow) => compared(`${flow}_seconds`, ({ flows }) => flows[flow] ?? Infinity)),
  ]
}

export const bench: Bench = {
  name: "first-trace",
  summary: "seconds from a fresh clone, by two commands, to the first trace on the screen, against npm ci alone",
  run,
}
