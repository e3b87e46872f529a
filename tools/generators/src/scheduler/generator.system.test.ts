/** A scheduler made by `nx g` in a copy of the checkout passes type check, lint, format, its own test and the conformance kit as it comes. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { workspacePackages } from "@backplane/lint/packages.mjs"
import { findNatsServer } from "@backplane/nats/find-server"
import { openServer, type OpenServer } from "@backplane/stack/open-server"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const ROOT = join(import.meta.dirname, "../../../..")
const DEADLINE_MS = 180_000
const NAME = "my-sched"

describe(`npx nx g @backplane/generators:scheduler ${NAME}`, () => {
  const copy = mkdtempSync(join(realpathSync(tmpdir()), "backplane-generated-"))
  // The run that this test is part of has a file for its counts: the one below must not write there, but say them.
  const { BACKPLANE_TEST_COUNTS: _, ...inherited } = process.env
  const path = `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}`
  const env = { ...inherited, NX_DAEMON: "false", FORCE_COLOR: "0", NO_COLOR: "1", PATH: path }
  /** Runs a program of node_modules; throws with what it printed where it fails. */
  const run = (file: string, ...args: readonly string[]): string => {
    try {
      return execFileSync(process.execPath, [file, ...args], { cwd: copy, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
    } catch (error) {
      const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string }
      throw new Error(`${file} ${args.join(" ")}:\n${stdout}${stderr}`, { cause: error })
    }
  }

  beforeAll(() => {
    copyCheckout(copy)
    expect(run("node_modules/.bin/nx", "g", "@backplane/generators:scheduler", NAME)).toContain(`CREATE apps/${NAME}/src/${NAME}.ts`)
  }, DEADLINE_MS)
  afterAll(() => rmSync(copy, { recursive: true, force: true }))

  it("passes type check, lint and format", { timeout: DEADLINE_MS }, () => {
    run("node_modules/.bin/tsc", "-p", `apps/${NAME}`)
    run("node_modules/.bin/eslint", "-c", "tools/lint/eslint.config.mjs", `apps/${NAME}`)
    run("node_modules/.bin/prettier", "--config", "tools/lint/prettier.json", "--check", `apps/${NAME}`)
  })

  it("passes its own test", { timeout: DEADLINE_MS }, () => {
    expect(run("node_modules/.bin/vitest", "run", "--config", "tools/test/vitest.config.ts", `apps/${NAME}`)).toContain(
      "2 passed, 0 failed",
    )
  })

  it("stands on the scoreboard beside ours, and does as it comes what round robin does", { timeout: DEADLINE_MS }, () => {
    const flags = ["--policies", `apps/${NAME}/src/${NAME}.ts,rr`, "--workloads", "ostep", "--seeds", "1", "--json"]
    const { boards } = JSON.parse(run("apps/simulator/src/main.ts", "sched-compare", ...flags)) as {
      readonly boards: readonly { readonly scores: readonly { readonly contender: string }[] }[]
    }
    const scoreOf = (name: string): object | undefined => boards[0]?.scores.find(({ contender }) => contender === name)
    expect(scoreOf("rr")).toBeDefined()
    expect(scoreOf(NAME)).toEqual({ ...scoreOf("rr"), contender: NAME })
  })

  it.skipIf(findNatsServer(process.env) === null)(
    "keeps the contract (needs the nats-server program)",
    { timeout: DEADLINE_MS },
    async () => {
      const server = await openServer(findNatsServer(process.env) ?? "")
      try {
        const command = `exec "${process.execPath}" apps/${NAME}/src/main.ts`
        const verdict = await printed(conform(server, command, { copy, env }))
        expect(verdict).toContain("it keeps the contract")
      } finally {
        await server.stop()
      }
    },
  )
})

function conform(
  server: OpenServer,
  command: string,
  { copy, env }: { readonly copy: string; readonly env: NodeJS.ProcessEnv },
): ChildProcess {
  const args = ["apps/simulator/src/main.ts", "conform", "--nats", server.url, "--run", command]
  return spawn(process.execPath, args, { cwd: copy, env, stdio: ["ignore", "pipe", "inherit"] })
}

async function printed(child: ChildProcess): Promise<string> {
  let text = ""
  child.stdout?.setEncoding("utf8").on("data", (part: string) => (text += part))
  await new Promise((resolve) => child.once("close", resolve))
  return text
}

/** All files that git knows or would take up, and the modules of this checkout; our own packages are those of the copy. */
function copyCheckout(copy: string): void {
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], { cwd: ROOT, encoding: "utf8" })
  for (const path of listed.split("\0")) if (path !== "") cpSync(join(ROOT, path), join(copy, path), { recursive: true })
  const modules = join(copy, "node_modules")
  mkdirSync(join(modules, "@backplane"), { recursive: true })
  for (const name of readdirSync(join(ROOT, "node_modules")))
    if (name !== "@backplane" && !name.startsWith(".vite")) symlinkSync(join(ROOT, "node_modules", name), join(modules, name))
  for (const { name, folder } of workspacePackages(copy)) symlinkSync(join(copy, folder), join(modules, name))
}
