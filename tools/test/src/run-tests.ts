/**
 * What `npm test` runs: type check, lint, format, then every test; ends with `N passed, N failed` alone on its line, whatever happened.
 *
 * A step counts as one check beside the tests: a type error alone already gives "1 failed" and a non-zero exit.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { addCounts, countsLine, NO_COUNTS, parseCounts, type Counts } from "./counts.ts"
import { parsePlan, stepCommand, type Plan, type StepName } from "./steps.ts"

const ROOT = join(import.meta.dirname, "../../..")

const CHECKS: readonly StepName[] = ["typecheck", "lint", "format"]

interface StepResult {
  readonly code: number
  readonly output: string
  readonly seconds: number
}

/** Runs one step. With `shown`, its output goes straight to the terminal; else it is kept and shown only when the step failed. */
function runStep(step: StepName, rest: readonly string[], shown: boolean, env: NodeJS.ProcessEnv): Promise<StepResult> {
  const started = performance.now()
  const [program = "", ...args] = stepCommand(step, rest)
  const child = spawn(process.execPath, [join(ROOT, program), ...args], {
    cwd: ROOT,
    env,
    stdio: ["ignore", shown ? "inherit" : "pipe", shown ? "inherit" : "pipe"],
  })
  const chunks: Buffer[] = []
  child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk))
  child.stderr?.on("data", (chunk: Buffer) => chunks.push(chunk))
  return new Promise((done) => {
    const finish = (code: number): void =>
      done({ code, output: Buffer.concat(chunks).toString("utf8"), seconds: (performance.now() - started) / 1000 })
    child.once("error", (error) => (chunks.push(Buffer.from(`${error.message}\n`)), finish(1)))
    child.once("close", (code) => finish(code ?? 1))
  })
}

async function runCheck(step: StepName, rest: readonly string[], env: NodeJS.ProcessEnv): Promise<Counts> {
  const { code, output, seconds } = await runStep(step, rest, false, env)
  if (code !== 0) process.stderr.write(output)
  console.log(`${step}: ${code === 0 ? "passed" : "FAILED"} (${seconds.toFixed(1)} s)`)
  return code === 0 ? { ...NO_COUNTS, passed: 1 } : { ...NO_COUNTS, failed: 1 }
}

async function runVitest(rest: readonly string[], env: NodeJS.ProcessEnv): Promise<Counts> {
  const folder = mkdtempSync(join(tmpdir(), "backplane-test-"))
  const file = join(folder, "counts.json")
  try {
    const { code } = await runStep("vitest", rest, true, { ...env, BACKPLANE_TEST_COUNTS: file })
    const counts = existsSync(file) ? parseCounts(readFileSync(file, "utf8")) : null
    if (counts === null) return { ...NO_COUNTS, failed: 1 }
    return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function run(plan: Plan): Promise<Counts> {
  const env = {
    ...process.env,
    NX_DAEMON: "false",
    // Tests start some hundred processes of the same few programs; they share what Node.js compiled of them.
    NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? join(ROOT, "node_modules/.cache/node-compile"),
  }
  const has = (step: StepName): boolean => plan.steps.includes(step)
  // Each of them has one thread and takes about as long as the others: all at once, so that two cores are full to the end; then the tests alone.
  const checks = await Promise.all(CHECKS.filter(has).map((step) => runCheck(step, plan.rest, env)))
  const tests = has("vitest") ? await runVitest(plan.rest, env) : NO_COUNTS
  return [...checks, tests].reduce(addCounts, NO_COUNTS)
}

/** Returns the exit code. Exported for with-node.mjs, which runs it in its own process. */
export async function main(args: readonly string[]): Promise<number> {
  const parsed = parsePlan(args)
  if ("help" in parsed) return (console.log(parsed.help), 0)
  if ("error" in parsed) return (console.error(parsed.error), 2)
  const counts = await run(parsed.plan)
  console.log(countsLine(counts))
  return counts.failed === 0 ? 0 : 1
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
