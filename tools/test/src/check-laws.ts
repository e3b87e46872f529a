/** `node tools/test/src/check-laws.ts [--cases N]`: the store's laws with many drawn cases, behind `backplane check laws`. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { stepCommand } from "./steps.ts"

const ROOT = join(import.meta.dirname, "../../..")
/** Nothing here may be ended by a clock: a slow computer takes as long as it takes. */
const TEST_MILLISECONDS = 3_600_000

function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { cases: { type: "string", default: "10000" } } })
  if (!/^[1-9]\d{0,7}$/.test(values.cases)) {
    console.error(`--cases is ${values.cases}: give a whole number, at least 1`)
    return Promise.resolve(2)
  }
  const [program = "", ...rest] = stepCommand("vitest", ["--testTimeout", String(TEST_MILLISECONDS), "libs/kv/versioning"])
  const env = { ...process.env, KV_LAW_RUNS: values.cases }
  const child = spawn(process.execPath, [join(ROOT, program), ...rest], { cwd: ROOT, env, stdio: "inherit" })
  return new Promise((resolve) => child.once("close", (code) => resolve(code ?? 1)))
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
