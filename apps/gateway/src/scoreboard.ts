/**
 * Comparisons of policies for whoever looks at the page: the simulator runs them as a process of its own, behind everything else on this computer.
 *
 * One at a time and bounded: a page must not be able to fill the machine that it looks at.
 */
import { spawn } from "node:child_process"
import { setPriority } from "node:os"
import { join } from "node:path"
import type { Json } from "@backplane/foundation-base/json"

const SIMULATOR = join(import.meta.dirname, "../../simulator/src/main.ts")
const DEADLINE_MILLISECONDS = 120_000
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024
/** As `nice -n 5`: what is looked at goes first. */
const PRIORITY = 5

export class ScoreboardFailure extends Error {
  /** True where what was asked is wrong, false where it could not be done. */
  readonly isUsage: boolean

  constructor(message: string, isUsage: boolean) {
    super(message)
    this.isUsage = isUsage
  }
}

/** In the callback of a process an exception would end the gateway. */
function settleWith(text: string, resolve: (value: Json) => void, reject: (failure: ScoreboardFailure) => void): void {
  try {
    resolve(JSON.parse(text) as Json)
  } catch {
    reject(new ScoreboardFailure("the simulator printed no JSON", false))
  }
}

/** Runs a command of the simulator that prints JSON. Throws a `ScoreboardFailure`. */
export type Simulate = (args: readonly string[]) => Promise<Json>

export const simulate: Simulate = (args) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SIMULATOR, ...args], { stdio: ["ignore", "pipe", "pipe"], timeout: DEADLINE_MILLISECONDS })
    const output = { stdout: "", stderr: "" }
    for (const name of ["stdout", "stderr"] as const)
      child[name].setEncoding("utf8").on("data", (text: string) => {
        output[name] += text
        if (output[name].length > OUTPUT_BYTES_MAX) child.kill("SIGKILL")
      })
    child.once("error", (error) => reject(new ScoreboardFailure(`the simulator cannot be started: ${error.message}`, false)))
    child.once("close", (code, signal) => {
      if (code === 0) return settleWith(output.stdout, resolve, reject)
      const said = (output.stderr.trim().split("\n")[0] ?? "").replace(/^backplane: /, "")
      // Its words about a flag begin with the flag.
      reject(new ScoreboardFailure(signal === null ? said : "it took too long, or said too much", said.startsWith("--")))
    })
    try {
      if (child.pid !== undefined) setPriority(child.pid, PRIORITY)
    } catch {
      // It has ended already; `close` says how.
    }
  })
