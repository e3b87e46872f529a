/** The office on a bus that this test is all of: what it asks of processes, and what a machine leaves behind. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Json } from "@backplane/foundation-base/json"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { Msg, NatsConnection } from "@nats-io/nats-core"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type { ImageFiles } from "./image-files.ts"
import { MachineOffice } from "./machine-office.ts"

const PROCESSES = ["hypervisor-0", "memory-controller-0", "numa-node-0", "numa-node-1", "cpu-scheduler-0"]
type Fields = Readonly<Record<string, Json>>
type Callback = (error: Error | null, message: Msg) => void

let folder = ""
beforeEach(() => {
  vi.useFakeTimers()
  folder = mkdtempSync(join(tmpdir(), "backplane-office-"))
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(folder, { recursive: true, force: true })
})

/** An office whose processes answer control requests as `answer` says; "silent": not at all. */
async function openOffice(answer: (instance: string, request: Fields) => Promise<string> | string = () => "ok") {
  const callbacks = new Map<string, Callback>()
  const asked: (readonly [instance: string, op: Json | undefined])[] = []
  const connection = {
    subscribe: (subject: string, { callback }: { callback: Callback }) => void callbacks.set(subject, callback),
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
    request: async (subject: string, text: string) => {
      const instance = subject.slice(subject.lastIndexOf(".") + 1)
      const request = JSON.parse(text) as Fields
      asked.push([instance, request["op"]])
      if ((await answer(instance, request)) === "silent") throw new Error("timeout")
      return { json: () => ({ ok: true }) }
    },
  } as unknown as NatsConnection
  const office = new MachineOffice({
    ...{ connection, instance: "hypervisor-0", dataFolder: folder, run: "1", images: {} as ImageFiles },
    events: { event: () => undefined },
  })
  await office.start(null)
  for (const instance of PROCESSES) {
    const notice = { service: instance.replace(/-\d+$/, ""), instance, incarnation: "a", hosting: [] }
    callbacks.get("bp.ctl.alive.*")?.(null, { json: () => notice } as unknown as Msg)
  }
  await vi.advanceTimersByTimeAsync(1_300)
  const ask = (request: Fields): Promise<Fields> =>
    new Promise((resolve) => {
      const respond = (text: string): void => resolve(JSON.parse(text) as Fields)
      callbacks.get("bp.ctl.machines")?.(null, { string: () => JSON.stringify(request), respond } as unknown as Msg)
    })
  const alive = (instance: string, hosting: readonly Fields[]): void => {
    const notice = { service: instance.replace(/-\d+$/, ""), instance, incarnation: "a", hosting }
    callbacks.get("bp.ctl.alive.*")?.(null, { json: () => notice } as unknown as Msg)
  }
  return { office, ask, asked, alive }
}

const CREATE: Fields = { op: "create", spec: resolveMachineSpec({ name: "demo", topology: { nodes: 2 } }) as unknown as Json }
const DESTROY: Fields = { op: "destroy", machine: "demo" }

/** As its actors would. */
function keepSomething(): string {
  const kept = join(folder, "demo", "hypervisor.0")
  mkdirSync(kept, { recursive: true })
  writeFileSync(join(kept, "job.json"), "{}")
  return join(folder, "demo")
}

describe("a machine that is ended", () => {
  it("leaves nothing behind once all its processes have given up its actors, and its name is free again", async () => {
    const { office, ask, asked } = await openOffice()
    expect(await ask(CREATE)).toEqual({ ok: true, machine: "demo" })
    const kept = keepSomething()
    asked.length = 0
    expect(await ask(DESTROY)).toEqual({ ok: true, machine: "demo" })
    await vi.advanceTimersByTimeAsync(0)
    // The hypervisor's own process has the machine clock beside the hypervisor.
    const unhosted = asked.map(([instance, op]) => `${String(op)} ${instance}`).sort()
    expect(unhosted).toEqual(["hypervisor-0", ...PROCESSES].map((each) => `unhost ${each}`).sort())
    expect(existsSync(kept)).toBe(false)
    expect(await ask(CREATE)).toEqual({ ok: true, machine: "demo" })
    await office.stop()
  })

  it("keeps what a process that does not answer may still write", async () => {
    const { office, ask } = await openOffice((instance, { op }) => (op === "unhost" && instance === "numa-node-1" ? "silent" : "ok"))
    await ask(CREATE)
    const kept = keepSomething()
    await ask(DESTROY)
    await vi.advanceTimersByTimeAsync(0)
    expect(existsSync(kept)).toBe(true)
    await office.stop()
  })

  it("asks it again until it has given up its actors, and then nothing is left", async () => {
    let isSilent = true
    const { office, ask } = await openOffice((instance, { op }) =>
      isSilent && op === "unhost" && instance === "numa-node-1" ? "silent" : "ok",
    )
    await ask(CREATE)
    const kept = keepSomething()
    await ask(DESTROY)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(existsSync(kept)).toBe(true)
    isSilent = false
    await vi.advanceTimersByTimeAsync(1_500)
    expect(existsSync(kept)).toBe(false)
    expect(await ask(CREATE)).toEqual({ ok: true, machine: "demo" })
    await office.stop()
  })

  it("takes one that stays silent for gone; what it has written when it comes back goes once it has been told", async () => {
    let isBack = false
    const { office, ask, alive } = await openOffice((instance, { op }) =>
      op === "unhost" && instance === "numa-node-1" && !isBack ? "silent" : "ok",
    )
    await ask(CREATE)
    const kept = keepSomething()
    await ask(DESTROY)
    await vi.advanceTimersByTimeAsync(12_000)
    expect(existsSync(kept)).toBe(false)
    keepSomething()
    isBack = true
    alive("numa-node-1", [{ machine: "demo", actor: "node.1", epoch: 1 }])
    await vi.advanceTimersByTimeAsync(0)
    expect(existsSync(kept)).toBe(false)
    // Of a machine that there is, one that strays takes nothing with it.
    for (const each of PROCESSES) alive(each, [])
    await ask(CREATE)
    keepSomething()
    alive("numa-node-1", [{ machine: "demo", actor: "node.0", epoch: 1 }])
    await vi.advanceTimersByTimeAsync(0)
    expect(existsSync(kept)).toBe(true)
    await office.stop()
  })

  it("keeps its name until then: who wants it waits", async () => {
    let giveUp: () => void = () => undefined
    const givenUp = new Promise<void>((resolve) => (giveUp = resolve))
    const { office, ask } = await openOffice(async (_, { op }) => {
      if (op === "unhost") await givenUp
      return "ok"
    })
    await ask(CREATE)
    const kept = keepSomething()
    await ask(DESTROY)
    let again: Fields | null = null
    void ask(CREATE).then((reply) => (again = reply))
    await vi.advanceTimersByTimeAsync(500)
    expect([again, existsSync(kept)]).toEqual([null, true])
    giveUp()
    await vi.advanceTimersByTimeAsync(500)
    expect([again, existsSync(kept)]).toEqual([{ ok: true, machine: "demo" }, false])
    await office.stop()
  })
})
