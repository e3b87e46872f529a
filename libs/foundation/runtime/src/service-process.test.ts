/** What only a real process shows: signals, the death of the parent, nothing that keeps a stopped process alive. */
import { spawn, type ChildProcess } from "node:child_process"
import { fileURLToPath } from "node:url"
import { startNatsServer, type RunningServer } from "@backplane/nats/start-server"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"

/** Starting a process takes a second or more on a busy computer. */
const SLOW = 20_000
const MAIN = fileURLToPath(new URL("./testing/service-main.ts", import.meta.url))
let server: RunningServer
const children: ChildProcess[] = []
beforeAll(async () => {
  server = await startNatsServer()
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL")
})
afterAll(() => server.stop())

async function startChild({ url = server.url, more = [] as readonly string[] } = {}): Promise<{
  child: ChildProcess
  ended: Promise<number | null>
}> {
  const args = [
    `--nats=${url}`,
    "--nats-user=numa-node",
    `--nats-password=${server.credentials.get("numa-node")}`,
    "--instance=child",
    ...more,
  ]
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "inherit"] })
  children.push(child)
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)))
  await new Promise<void>((resolve) => child.stdout?.once("data", () => resolve()))
  return { child, ended }
}

describe("a service's process", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(
      `ends in order at ${signal}, with exit code 0`,
      async () => {
        const { child, ended } = await startChild()
        child.kill(signal)
        expect(await ended).toBe(0)
      },
      SLOW,
    )
  }

  it(
    "ends when the process that it was told to watch is gone",
    async () => {
      const parent = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"])
      children.push(parent)
      const { ended } = await startChild({ more: [`--parent-pid=${parent.pid}`] })
      parent.kill("SIGKILL")
      expect(await ended).toBe(0)
    },
    SLOW,
  )

  it(
    "ends although the bus is gone",
    async () => {
      const own = await startNatsServer({ credentials: server.credentials })
      const { child, ended } = await startChild({ url: own.url })
      await own.stop()
      child.kill("SIGTERM")
      expect(await ended).toBe(0)
    },
    SLOW,
  )
})
