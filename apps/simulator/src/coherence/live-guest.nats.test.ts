/** One guest over two nodes, over a real nats-server, each part in a process of its own: our SMP kernel, hart 0 here, hart 1 there. */
import { fileURLToPath } from "node:url"
import type { ConversationStep } from "@backplane/trap-board/conversation"
import { startNatsServer, type RunningServer } from "@backplane/nats/start-server"
import { afterAll, beforeAll, expect, it } from "vitest"
import { runLiveGuest } from "./live-guest-run.ts"

const KERNEL = fileURLToPath(new URL("../../../../tools/guests/images/kernel.bin", import.meta.url))
/** A second or two on a quiet computer; the harts spin where others have the CPU. */
const SECONDS_MAX = 180
/** 104 s where twelve others wanted the two CPUs. */
const KILLED_SECONDS_MAX = 300

const USER = "test"

let server: RunningServer
beforeAll(async () => {
  server = await startNatsServer({ unrestrictedUsers: [USER] })
})
afterAll(() => server.stop())

const session = (...lines: readonly string[]): ConversationStep[] =>
  lines.flatMap((text): ConversationStep[] => [
    { kind: "expect", text: "$ " },
    { kind: "type", text },
  ])

it("boots, counts right on both nodes and ends", { timeout: (SECONDS_MAX + 20) * 1000 }, async () => {
  const { output, end, counts } = await runLiveGuest({
    server: { url: server.url, user: USER, password: server.credentials.get(USER) ?? "" },
    kernel: KERNEL,
    harts: 2,
    nodes: 2,
    memoryBytes: 16 * 2 ** 20,
    steps: session("shared 2 20", "locks 2 20", "halt"),
    until: "end",
    secondsMax: SECONDS_MAX,
  })
  expect(output).toContain("sum=40")
  expect(output).toContain("counter=40")
  expect(end).toEqual({ kind: "end", reason: "shutdown", code: 0 })
  expect(counts.taken).toBeGreaterThan(0)
})

it(
  "counts right and ends while its memory controller is killed again and again",
  { timeout: (KILLED_SECONDS_MAX + 20) * 1000 },
  async () => {
    const { output, end, restarts } = await runLiveGuest({
      server: { url: server.url, user: USER, password: server.credentials.get(USER) ?? "" },
      kernel: KERNEL,
      harts: 2,
      nodes: 2,
      memoryBytes: 16 * 2 ** 20,
      steps: session("shared 2 500", "locks 2 2000", "kernel-locks 2 500", "shared 2 600", "halt"),
      until: "end",
      // Each life gets somewhere, though others have the CPU; the work takes longer than one life.
      killEverySeconds: 1.5,
      secondsMax: KILLED_SECONDS_MAX,
    })
    expect(output).toContain("sum=1000")
    expect(output).toContain("counter=4000")
    expect(output).toContain("sum=1200")
    expect(end).toEqual({ kind: "end", reason: "shutdown", code: 0 })
    expect(restarts).toBeGreaterThan(0)
  },
)
