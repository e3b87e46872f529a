/** What the power switch takes, and that nothing that goes wrong behind it takes the supervisor along. */
import type { Msg, NatsConnection } from "@nats-io/nats-core"
import { describe, expect, it } from "vitest"
import { parsePowerRequest, servePower, type Powered } from "./power-switch.ts"
import type { ProcessState } from "./stack-state.ts"

const NODE: ProcessState = {
  ...{ name: "numa-node-0", services: ["numa-node"], phase: "ready", pid: 7, restarts: 0, lastExit: null, cutOff: false, since: 0 },
  replacedBy: "python3 /a/path/of/this/computer/s.py",
  log: "/a/path/of/this/computer",
}

/** Asks a switch over a bus that has only this one subscription. */
function asker(powered: Partial<Powered>): (request: unknown) => Promise<unknown> {
  let heard: ((error: Error | null, message: Msg) => void) | null = null
  const subscribe = (_subject: string, { callback }: { callback: (error: Error | null, message: Msg) => void }): void => {
    heard = callback
  }
  servePower({ subscribe } as unknown as NatsConnection, {
    states: () => [NODE],
    mayStart: () => false,
    power: () => Promise.resolve(null),
    ...powered,
  })
  return (request) =>
    new Promise((resolve) => {
      const string = (): string => (typeof request === "string" ? request : JSON.stringify(request))
      heard?.(null, { string, respond: (reply: string) => resolve(JSON.parse(reply)) } as unknown as Msg)
    })
}

describe("the power switch", () => {
  it.each([
    ["{", "", "a request is a JSON object"],
    ["[]", "/op", "one of ping, report, power"],
    ['{"op":"power","process":"numa-node-1","action":"kill"}', "/process", "one of numa-node-0"],
    ['{"op":"power","process":"numa-node-0","action":"burn"}', "/action", "one of off, on"],
  ])("refuses %s", (text, field, reason) => {
    const refusal = parsePowerRequest(text, ["numa-node-0"])
    expect(refusal).toMatchObject({ ok: false, field })
    expect("reason" in refusal && refusal.reason).toContain(reason)
  })

  it("does what is asked and shows no path of this computer", async () => {
    const asked: unknown[] = []
    const ask = asker({
      power: (...what) => {
        asked.push(what)
        return Promise.resolve(null)
      },
    })
    const reply = await ask({ op: "power", process: "numa-node-0", action: "kill" })
    expect(asked).toEqual([["numa-node-0", "kill"]])
    expect(reply).toMatchObject({ ok: true, processes: [{ name: "numa-node-0", phase: "ready", replaced: true }] })
    expect(JSON.stringify(reply)).not.toContain(NODE.log)
  })

  it("answers with the reason where a process cannot be switched, and again to the next who asks", async () => {
    const ask = asker({ power: () => Promise.reject(new Error("no such process")) })
    const request = { op: "power", process: "numa-node-0", action: "pause" }
    expect(await ask(request)).toEqual({ ok: false, field: "/action", reason: "no such process" })
    expect(await ask({ op: "ping" })).toEqual({ ok: true, op: "ping" })
  })
})
