/**
 * Seconds from the command line to "every service is ready", against the start of a bare nats-server.
 *
 * Ours is what a user types: nx, the supervisor, the bus, all services answering on it, `--detach` returning. Modules are installed and the
 * code cache is warm (the first start of a checkout is slower: the warm-up round). The stop is not counted. The baseline is the
 * least that a stack on NATS needs: the server taking a connection.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startNatsServer } from "@backplane/nats/start-server"
import type { Bench, BenchOptions, Figure } from "./bench.ts"
import { figureOf, interleaved } from "./rounds.ts"

const ROOT = join(import.meta.dirname, "../../..")
const DEADLINE_MS = 120_000

function stack(home: string, ...args: readonly string[]): void {
  const nx = join(ROOT, "node_modules/nx/dist/bin/nx.js")
  const environment = { ...process.env, NX_DAEMON: "false", NO_COLOR: "1" }
  const run = spawnSync(process.execPath, [nx, "run", ...args, "--home", home], {
    cwd: ROOT,
    env: environment,
    encoding: "utf8",
    timeout: DEADLINE_MS,
  })
  if (run.status !== 0) throw new Error(`${args.join(" ")} failed: ${run.stdout}${run.stderr}`)
}

function stackRound(home: string): number {
  const started = performance.now()
  try {
    stack(home, "stack:up", "--detach")
    return (performance.now() - started) / 1000
  } finally {
    stack(home, "stack:down")
  }
}

async function bareRound(): Promise<number> {
  const started = performance.now()
  const server = await startNatsServer()
  const seconds = (performance.now() - started) / 1000
  await server.stop()
  return seconds
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const home = mkdtempSync(join(tmpdir(), "backplane-start-"))
  try {
    const rounds = await interleaved({ stack: () => stackRound(home), bare: bareRound }, options)
    const compared = { ours: rounds.stack, baseline: rounds.bare, baselineName: "bare nats-server start" }
    return [figureOf({ name: "ready_seconds", unit: "s", better: "lower" }, compared)]
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

export const bench: Bench = {
  name: "start",
  summary: "seconds from the command line until every service of the stack is ready, against a bare nats-server",
  run,
}
