import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect } from "@nats-io/transport-node"
import { describe, expect, it } from "vitest"
import { startNatsServer } from "./start-server.ts"

async function goneWithin(attempts: number, pid: number): Promise<boolean> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    try {
      process.kill(pid, 0)
    } catch {
      return true
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return false
}

describe("a server of our own", () => {
  it("is gone when it is stopped, and a second stop does no harm", async () => {
    const server = await startNatsServer({ unrestrictedUsers: ["test"] })
    const client = await connect({ servers: server.url, user: "test", pass: server.credentials.get("test") ?? "", reconnect: false })
    await server.stop()
    await server.stop()
    await client.closed()
    expect(await goneWithin(200, server.pid)).toBe(true)
  })

  it.skipIf(process.platform === "win32")("does not outlive whoever started it, even when that is killed", async () => {
    const starter = spawn(process.execPath, [
      "-e",
      `import("${new URL("./start-server.ts", import.meta.url).href}").then(async (m) => console.log((await m.startNatsServer()).pid))`,
    ])
    const pid = await new Promise<number>((resolve) => starter.stdout.once("data", (text: Buffer) => resolve(Number(text.toString()))))
    expect(pid).toBeGreaterThan(1)
    starter.kill("SIGKILL")
    expect(await goneWithin(200, pid)).toBe(true)
  })

  it.skipIf(process.platform === "win32")("leaves no folder behind either, also where Ctrl-C ends the whole group", async () => {
    const temporary = mkdtempSync(join(tmpdir(), "backplane-test-"))
    const starter = spawn(
      process.execPath,
      [
        "-e",
        `import("${new URL("./start-server.ts", import.meta.url).href}").then(async (m) => console.log((await m.startNatsServer()).pid))`,
      ],
      { env: { ...process.env, TMPDIR: temporary }, detached: true },
    )
    const pid = await new Promise<number>((resolve) => starter.stdout.once("data", (text: Buffer) => resolve(Number(text.toString()))))
    expect(readdirSync(temporary)).toHaveLength(1)
    process.kill(-(starter.pid ?? 0), "SIGINT")
    expect(await goneWithin(200, pid)).toBe(true)
    for (let attempt = 0; attempt < 200 && readdirSync(temporary).length > 0; attempt++)
      await new Promise((resolve) => setTimeout(resolve, 20))
    expect(readdirSync(temporary)).toEqual([])
    rmSync(temporary, { recursive: true })
  })

  it("says what is wrong where it cannot start", async () => {
    await expect(startNatsServer({ port: 1 << 20 })).rejects.toThrow(/nats-server did not start: .+/)
  })
})
