/** The same round robin in four languages, each behind NATS but ours: all keep the contract, and decide alike, word for word. */
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { findNatsServer } from "../nats-server-lookup.mjs"
import { openServer, type OpenServer } from "./open-server.ts"

const ROOT = join(import.meta.dirname, "../../..")
const EXAMPLES = join(ROOT, "tools/stack/examples")
const { NATS_URL: _, ...environment } = process.env
const found = findNatsServer(environment)
const runs = (program: string, ...args: readonly string[]): boolean => spawnSync(program, [...args]).status === 0
const DEADLINE_MS = 120_000
/** Seconds are usual; a kit that does not end must not meet the next one on the same server. */
const KIT_MS = 55_000

const LANGUAGES = [
  {
    language: "Python",
    isHere: runs("python3", "-c", "import sys; sys.exit(sys.version_info < (3, 9))"),
    build: null,
    command: () => `exec python3 ${EXAMPLES}/round_robin.py`,
  },
  {
    language: "C",
    isHere: runs("cc", "--version"),
    build: (folder: string) => runs("cc", "-O1", "-o", join(folder, "round_robin"), join(EXAMPLES, "round_robin.c")),
    command: (folder: string) => `exec ${join(folder, "round_robin")}`,
  },
  {
    language: "Go",
    isHere: runs("go", "version"),
    build: (folder: string) => runs("go", "build", "-o", join(folder, "round_robin_go"), join(EXAMPLES, "round_robin.go")),
    command: (folder: string) => `exec ${join(folder, "round_robin_go")}`,
  },
] as const

/** What the kit finds, and every decision as text. */
async function conform(log: string, ...more: readonly string[]): Promise<{ readonly findings: readonly unknown[]; readonly log: string }> {
  const args = [join(ROOT, "apps/simulator/src/main.ts"), "conform", "--log", log, "--json", ...more]
  // A group of its own, so that the scheduler that the kit has started goes with it.
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"], detached: true })
  let text = ""
  child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part))
  const { pid } = child
  const killer = setTimeout(() => pid !== undefined && process.kill(-pid, "SIGKILL"), KIT_MS)
  const code = await new Promise((resolve) => child.on("close", resolve))
  clearTimeout(killer)
  if (code === null) throw new Error(`the kit did not end within ${KIT_MS / 1000} s`)
  return { findings: (JSON.parse(text) as { findings: readonly unknown[] }).findings, log: readFileSync(log, "utf8") }
}

/** Messages to the schedulers of another machine that are no JSON: they are nobody's business here. */
function makeNoise(url: string): () => void {
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(url).port) }, () => socket.write('CONNECT {"verbose":false}\r\n'))
  socket.on("error", () => undefined)
  const timer = setInterval(() => socket.write(Buffer.from("PUB bp.noise.scheduler.all.node.0 3\r\n\xb1\x00\xff\r\n", "latin1")), 20)
  return () => {
    clearInterval(timer)
    socket.destroy()
  }
}

it("in Python is short enough to be read at a sitting", () => {
  expect(readFileSync(join(EXAMPLES, "round_robin.py"), "utf8").split("\n").length - 1).toBeLessThan(120)
})

describe.skipIf(found.kind !== "program")("round robin (needs the nats-server program)", () => {
  const folder = mkdtempSync(join(tmpdir(), "backplane-languages-"))
  let server: OpenServer | null = null

  beforeAll(async () => {
    server = await openServer(found.kind === "program" ? found.path : "")
  })
  afterAll(async () => {
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  for (const { language, isHere, build, command } of LANGUAGES)
    it.skipIf(!isHere)(
      `in ${language} decides as ours in TypeScript`,
      async () => {
        if (build !== null) expect(build(folder)).toBe(true)
        const ours = await conform(join(folder, "ours.txt"))
        const stopNoise = makeNoise(server?.url ?? "")
        const theirs = await conform(join(folder, `${language}.txt`), "--nats", server?.url ?? "", "--run", command(folder))
        stopNoise()
        expect(theirs.findings).toEqual([])
        expect(ours.log.length).toBeGreaterThan(10_000)
        expect(theirs.log).toBe(ours.log)
      },
      DEADLINE_MS,
    )
})
