/** A stack of its own for the check, in a folder of its own, on free ports. */
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const ROOT = join(import.meta.dirname, "../../..")
const START_MILLISECONDS = 120_000

export interface Stack {
  readonly home: string
  readonly url: string
  readonly token: string
  /** `backplane <args>` on this stack: what it printed. Throws where it failed. */
  backplane(...args: readonly string[]): string
  down(): void
}

export async function startStack(): Promise<Stack> {
  const home = mkdtempSync(join(tmpdir(), "backplane-browser-"))
  await run(["tools/stack/src/main.ts", "up", "--home", home, "--detach"])
  const state = JSON.parse(readFileSync(join(home, "stack.json"), "utf8")) as { http: { url: string; token: string } }
  return {
    home,
    url: state.http.url,
    token: state.http.token,
    backplane: (...args) => {
      const done = spawnSync(process.execPath, [join(ROOT, "apps/cli/src/main.ts"), "--home", home, ...args], { encoding: "utf8" })
      if (done.status !== 0) throw new Error(`backplane ${args.join(" ")}: ${done.stderr || done.stdout}`)
      return done.stdout
    },
    down: () => {
      spawnSync(process.execPath, [join(ROOT, "tools/stack/src/main.ts"), "down", "--home", home], { stdio: "ignore" })
      rmSync(home, { recursive: true, force: true })
    },
  }
}

function run(args: readonly string[]): Promise<void> {
  const [file = "", ...rest] = args
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(ROOT, file), ...rest], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: START_MILLISECONDS,
    })
    let output = ""
    child.stdout.on("data", (text: Buffer) => (output += String(text)))
    child.stderr.on("data", (text: Buffer) => (output += String(text)))
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`the stack did not start:\n${output}`))))
  })
}
