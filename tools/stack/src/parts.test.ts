/** The small parts of the stack: restart policy, presence, ports, logs, views, findings of the doctor. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "@backplane/foundation-process/free-ports"
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import { findNatsServer, installHint } from "../nats-server-lookup.mjs"
import { natsVersionFinding, nodeFinding } from "./doctor.ts"
import { lastLines, LogFile } from "./log-file.ts"
import { choosePort } from "./ports.ts"
import { matchPing, parsePing, Presence } from "./presence.ts"
import { RESTART_LIMITS, RestartPolicy } from "./restart-policy.ts"
import type { ProcessState } from "./stack-state.ts"
import { createView, tableOf } from "./view.ts"

let folder = ""
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), "backplane-parts-"))))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("a process that dies", () => {
  it("waits twice as long each time and is given up in the end", () => {
    const policy = new RestartPolicy()
    const verdicts = Array.from({ length: RESTART_LIMITS.deathsMax }, () => policy.onDeath(10))
    expect(verdicts.map((verdict) => (verdict.kind === "restart" ? verdict.delayMs : verdict.kind))).toEqual([
      100,
      200,
      400,
      800,
      1600,
      "give-up",
    ])
  })
  it("is forgiven after a sound run", () => {
    const policy = new RestartPolicy()
    for (let death = 0; death < 100; death++) expect(policy.onDeath(RESTART_LIMITS.soundAfterMs)).toEqual({ kind: "restart", delayMs: 100 })
  })
})

describe("an answer on the bus", () => {
  const awaited = ["node-0", "node-1"].map((instance) => ({ service: "node", instance, startModule: null }))
  it("belongs to the instance that it names", () => {
    expect(matchPing({ name: "node", id: "x", instance: "node-1" }, awaited)).toBe(awaited[1])
    expect(matchPing({ name: "node", id: "x", instance: "node-7" }, awaited)).toBeNull()
  })
  it("without an instance belongs to the first that is awaited, of its own name only", () => {
    expect(matchPing({ name: "node", id: "x", instance: null }, awaited)).toBe(awaited[0])
    expect(matchPing({ name: "other", id: "x", instance: null }, awaited)).toBeNull()
  })
  it("that is no PING answer is not taken for one", () => {
    expect(parsePing("hello")).toBeNull()
    expect(parsePing('{"name":1,"id":"x"}')).toBeNull()
    expect(parsePing('{"name":"a","id":"x","metadata":null}')).toEqual({ name: "a", id: "x", instance: null })
  })
})

describe("a port", () => {
  it("that is taken gives way to the next, with a notice", async () => {
    const first = await freePort()
    const squatter = createServer()
    await new Promise<void>((done) => squatter.listen(first, "127.0.0.1", () => done()))
    const choice = await choosePort({ name: "NATS", first, flag: null }, new Set([first + 1]))
    squatter.close()
    expect(choice.port).toBeGreaterThan(first + 1)
    expect(choice.notice).toBe(`port ${first} (NATS) is taken: using ${choice.port}`)
  })
})

describe("a log", () => {
  it("never grows past its bound, and keeps one older part", () => {
    const path = join(folder, "bounded.log")
    const log = new LogFile(path, 100)
    for (let line = 0; line < 50; line++) log.write(`line ${line}\n`)
    log.close()
    log.write("too late\n")
    expect(readFileSync(path, "utf8").length + readFileSync(`${path}.1`, "utf8").length).toBeLessThan(220)
    expect(lastLines(path, 1)).toEqual(["line 49"])
  })
})

const STATE: ProcessState = {
  name: "numa-node-0",
  services: [],
  phase: "ready",
  pid: 12,
  restarts: 1,
  lastExit: "SIGKILL",
  cutOff: false,
  replacedBy: null,
  since: 0,
  log: "",
}

describe("what is shown", () => {
  it("names phase, pid and why a process last ended", () => {
    expect(tableOf([STATE])).toEqual(["numa-node-0  ready  pid 12  1 restart (last: SIGKILL)"])
    expect(tableOf([{ ...STATE, restarts: 0, cutOff: true }])).toEqual(["numa-node-0  ready, cut off  pid 12"])
  })
  it("is plain lines off a terminal, and a redrawn table on one", () => {
    const shown = (isTTY: boolean): string => {
      const text: string[] = []
      const view = createView({ isTTY, columns: 80, write: (each) => text.push(each) })
      view.state({
        version: 1,
        pid: 1,
        startedAt: 0,
        phase: "starting",
        home: "",
        nats: { url: "", monitorUrl: null, user: null, password: null, scheduler: null },
        http: { url: "", token: null },
        scenario: null,
        processes: [STATE],
      })
      view.line("hello")
      return text.join("")
    }
    expect(shown(false)).toBe("hello\n")
    expect(shown(true)).toContain("\x1b[4A\x1b[Jhello\n")
  })
})

describe("the doctor", () => {
  it("knows what is too old", () => {
    expect(nodeFinding("20.1.0")).toMatchObject({ health: "bad", remedy: expect.stringContaining("24") })
    expect(natsVersionFinding("n", "nats-server: v2.9.9")).toMatchObject({ health: "bad" })
    expect(natsVersionFinding("n", "nats-server: v2.10.1")).toMatchObject({ health: "good" })
  })
})

describe("the search for a nats-server", () => {
  it("takes NATS_URL first, then NATS_SERVER, and says what is wrong with it", () => {
    expect(findNatsServer({ NATS_URL: "nats://a:1", NATS_SERVER: "/nowhere" })).toEqual({ kind: "running", url: "nats://a:1" })
    expect(findNatsServer({ NATS_SERVER: process.execPath })).toEqual({ kind: "program", path: process.execPath })
    expect(findNatsServer({ NATS_SERVER: "/nowhere/nats" })).toMatchObject({
      kind: "missing",
      reason: expect.stringContaining("NATS_SERVER"),
    })
  })
  it("has a hint for every system", () => {
    for (const platform of ["linux", "darwin", "win32"]) expect(installHint(platform)).toMatch(/Run|run/)
  })
})

describe("how often it is asked who answers", () => {
  afterEach(() => void vi.useRealTimers())

  /** Times of the questions, in milliseconds from the first. */
  function asked(milliseconds: number, awaited: (at: number) => number): number[] {
    vi.useFakeTimers()
    const begun = performance.now()
    const times: number[] = []
    const connection = {
      subscribe: () => ({ unsubscribe: () => undefined }),
      publish: () => void times.push(performance.now() - begun),
      close: () => Promise.resolve(),
      isClosed: () => false,
    } as unknown as ConstructorParameters<typeof Presence>[0]
    new Presence(connection, "_INBOX_test", { awaited: () => awaited(performance.now() - begun), onPing: () => undefined })
    vi.advanceTimersByTime(milliseconds)
    return times
  }

  it("leaves no more questions to a process that is busy with its start than the server lets it answer at once, with eight more for processes that begin or end meanwhile", () => {
    const times = asked(90_000, () => 1)
    expect(times.filter((at) => at < 1_000).length).toBeGreaterThan(12)
    for (const listens of [0, 500, 1_000, 3_000])
      for (const seconds of [1, 4, 10, 20])
        expect(times.filter((at) => at >= listens && at < listens + seconds * 1_000).length).toBeLessThanOrEqual(64 - 8)
  })

  it("is told of an answer a twelfth of the wait later than it came at most, and at once again when somebody else is awaited", () => {
    const times = asked(60_000, (at) => (at < 40_000 ? 1 : 2))
    const pauses = times.slice(1).map((at, index) => ({ at, pause: at - (times[index] ?? 0) }))
    for (const { at, pause } of pauses.filter(({ at }) => at < 30_000)) expect(pause).toBeLessThanOrEqual(Math.max(51, at / 11))
    expect(pauses.filter(({ at }) => at > 42_000 && at < 43_000).length).toBeGreaterThan(8)
    expect(asked(20_000, () => 0).length).toBe(11)
  })
})
