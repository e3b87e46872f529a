/** The bootstrap of a clone: when it installs and how, and what it says when it cannot. With a stand-in for npm that only notes its call. */
import { spawnSync } from "node:child_process"
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"

const STACK = join(import.meta.dirname, "..")
const LOCK = { packages: { "": {}, "node_modules/a": { version: "1.0.0" }, "node_modules/b": { version: "1.0.0", optional: true } } }
let root = ""

function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true })
  writeFileSync(join(root, file), text)
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "backplane-bootstrap-"))
  mkdirSync(join(root, "tools/stack"), { recursive: true })
  for (const name of ["bootstrap.mjs", "node-lookup.mjs", "nats-server-lookup.mjs"])
    copyFileSync(join(STACK, name), join(root, "tools/stack", name))
  write("package-lock.json", JSON.stringify(LOCK))
  write(
    "bin/npm",
    `#!/bin/sh\necho "$1" >> "${root}/calls.txt"\nmkdir -p "${root}/node_modules"\necho '{"packages":{}}' > "${root}/node_modules/.package-lock.json"\nexit "\${NPM_FAILS:-0}"\n`,
  )
  chmodSync(join(root, "bin/npm"), 0o755)
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function bootstrap(
  environment: Readonly<Record<string, string>> = {},
  ...args: readonly string[]
): { code: number | null; said: string; calls: string } {
  const { npm_execpath: _, NATS_URL: __, ...inherited } = process.env
  const env = {
    ...inherited,
    PATH: `${join(root, "bin")}${delimiter}${process.env["PATH"] ?? ""}`,
    NATS_SERVER: process.execPath,
    ...environment,
  }
  const run = spawnSync(process.execPath, [join(root, "tools/stack/bootstrap.mjs"), ...args], { env, encoding: "utf8", timeout: 20_000 })
  const calls = join(root, "calls.txt")
  return { code: run.status, said: run.stderr, calls: existsSync(calls) ? readFileSync(calls, "utf8").trim() : "" }
}

/** As if npm had installed `version` of a, before the lock was last written. */
function installed(version: string): void {
  write("node_modules/.package-lock.json", JSON.stringify({ packages: { "node_modules/a": { version } } }))
  utimesSync(join(root, "node_modules/.package-lock.json"), new Date(0), new Date(0))
}

it("proves the lock with npm ci in a fresh clone, and is silent the next time", () => {
  expect(bootstrap()).toMatchObject({ code: 0, calls: "ci" })
  expect(bootstrap()).toEqual({ code: 0, said: "", calls: "ci" })
})

it("installs what differs when the lock is newer, and nothing when only its date is", () => {
  installed("0.9.0")
  expect(bootstrap()).toMatchObject({ code: 0, calls: "install" })
  installed("1.0.0")
  expect(bootstrap()).toMatchObject({ code: 0, said: "", calls: "install" })
})

it("stops when npm fails, with the remedy", () => {
  expect(bootstrap({ NPM_FAILS: "3" })).toMatchObject({ code: 1, said: expect.stringContaining("npm ci failed") })
})

it("stops without a nats-server; for the tests it only warns", () => {
  installed("1.0.0")
  const environment = { NATS_SERVER: join(root, "nowhere") }
  expect(bootstrap(environment)).toMatchObject({ code: 1, said: expect.stringContaining("NATS_SERVER is") })
  expect(bootstrap(environment, "--for-tests")).toMatchObject({ code: 0, said: expect.stringContaining("warning") })
})

// By way of nx anything that failed was 130, as if somebody had pressed Ctrl-C.
it("npm start says by its exit code that it was asked for something impossible", () => {
  const checkout = join(STACK, "../..")
  const { scripts } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8")) as { readonly scripts: { readonly start: string } }
  const env = { ...process.env, PATH: `${join(checkout, "node_modules/.bin")}${delimiter}${process.env["PATH"] ?? ""}` }
  const { status, stderr } = spawnSync(`${scripts.start} --nosuch`, { shell: true, cwd: checkout, encoding: "utf8", env })
  expect(stderr).toContain("stack:up has no option --nosuch")
  expect(status).toBe(2)
})
