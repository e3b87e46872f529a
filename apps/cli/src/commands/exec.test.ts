/** `backplane exec` and `disasm` as a user meets them: what is printed, and the exit code. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const ROOT = join(import.meta.dirname, "../../../..")
const guest = (name: string): string => join(ROOT, "tools/guests/images", name)
const COMMAND_MS = 60_000

function backplane(...args: readonly string[]): { readonly code: number | null; readonly out: string; readonly err: string } {
  const run = spawnSync(process.execPath, [join(ROOT, "apps/cli/src/main.ts"), ...args], { encoding: "utf8", timeout: COMMAND_MS })
  return { code: run.status, out: run.stdout, err: run.stderr }
}

let folder = ""
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "exec-"))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe("exec", { timeout: COMMAND_MS }, () => {
  it("prints one line of JSON and exits as the guest does", () => {
    const { code, out } = backplane("exec", guest("tohost.elf"), "--json")
    expect(code).toBe(5)
    expect(JSON.parse(out)).toMatchObject({ exit: 5, reason: "tohost", console: "tohost: hello\n", exits: { watch: 15 } })
  })

  it("without --json gives the console on standard output and the figures on standard error", () => {
    const { code, out, err } = backplane("exec", guest("arith.elf"))
    expect({ code, out }).toEqual({ code: 0, out: "arith: ok\n" })
    expect(err).toMatch(/^backplane: finisher, exit 0; \d+ instructions/)
  })

  it("stops exactly at --max-instructions with 124", () => {
    const { code, out } = backplane("exec", guest("spin.elf"), "--max-instructions", "123457", "--json")
    expect(code).toBe(124)
    expect(JSON.parse(out)).toMatchObject({ exit: 124, reason: "limit", instructions: 123_457 })
  })

  it("stops at --timeout with 124, and names a machine that waits for ever", () => {
    expect(JSON.parse(backplane("exec", guest("spin.elf"), "--timeout", "0.2", "--json").out)).toMatchObject({
      exit: 124,
      reason: "timeout",
    })
    expect(JSON.parse(backplane("exec", guest("sleep.elf"), "--json").out)).toMatchObject({ exit: 124, reason: "idle" })
  })

  it("feeds the guest's console from a file", () => {
    const input = join(folder, "input")
    writeFileSync(input, "abc\n.\n")
    expect(JSON.parse(backplane("exec", guest("echo.elf"), "--stdin", input, "--json").out)).toMatchObject({
      exit: 0,
      console: expect.stringContaining("ABC"),
    })
  })

  it("runs harts and flat images over SBI", () => {
    expect(JSON.parse(backplane("exec", guest("sbi.bin"), "--cpus", "2", "--json").out)).toMatchObject({ exit: 0, reason: "shutdown" })
  })

  it("tells the first instructions", () => {
    const { err } = backplane("exec", guest("fail.elf"), "--trace-instructions", "2")
    expect(err).toMatch(/^cpu 0 0x0000000080000000 {2}f1402273 {2}csrrs tp, mhartid, zero \[system\]\ncpu 0 0x0000000080000004/)
  })

  it("refuses what cannot be with the field and the remedy", () => {
    const notAnImage = join(folder, "text")
    writeFileSync(notAnImage, "no image at all")
    for (const { args, field } of [
      { args: [notAnImage], field: "magic" },
      { args: [join(folder, "missing")], field: "image" },
      { args: [guest("arith.elf"), "--memory", "1000"], field: "--memory" },
      { args: [guest("arith.elf"), "--cpus", "65"], field: "--cpus" },
      { args: [guest("echo.elf"), "--stdin", join(folder, "missing")], field: "--stdin" },
    ]) {
      const { code, out } = backplane("exec", ...args, "--json")
      expect(code, field).toBe(2)
      expect(JSON.parse(out)).toMatchObject({ error: { kind: "bad-input", field } })
    }
  })
})

/** Prints every third-party package that is loaded. */
const TELL_PACKAGES = `import { registerHooks } from "node:module"
registerHooks({ load: (url, context, next) => { if (url.includes("node_modules/")) console.error("loaded", url.split("node_modules/").at(-1)); return next(url, context) } })`

describe("the start of exec", { timeout: COMMAND_MS }, () => {
  it("loads no library but the one for commands: it is waited for each time", () => {
    const hook = `data:text/javascript,${encodeURIComponent(TELL_PACKAGES)}`
    const main = join(ROOT, "apps/cli/src/main.ts")
    const { stderr } = spawnSync(process.execPath, ["--import", hook, main, "exec", guest("arith.elf")], {
      encoding: "utf8",
      timeout: COMMAND_MS,
    })
    const packages = [...stderr.matchAll(/^loaded ([^/\n]+)/gm)].map(([, name]) => name)
    expect([...new Set(packages)]).toEqual(["commander"])
  })
})

describe("disasm", { timeout: COMMAND_MS }, () => {
  it("lists address, bits and text", () => {
    const { code, out } = backplane("disasm", guest("arith.elf"))
    expect(code).toBe(0)
    expect(out.split("\n")[0]).toBe("0000000080000000:  f1402273  csrrs tp, mhartid, zero")
  })
})
