/** A machine that there is not is told at once; one that is there and silent, in time. */
import type { NatsConnection } from "@nats-io/nats-core"
import { afterEach, describe, expect, it, vi } from "vitest"
import { answered } from "./asking.ts"
import { operatorOn } from "./operator.ts"
import { Problem } from "./problem.ts"

type Connection = Pick<NatsConnection, "request" | "subscribe" | "publish">

/** A bus whose office has these machines (null: it is silent), and whose hypervisors do not answer. */
function silentBus(machines: () => readonly string[] | null): Connection {
  return {
    request: () => {
      const names = machines()
      if (names === null) return Promise.reject(new Error("timeout"))
      return Promise.resolve({ json: () => ({ ok: true, machines: names.map((machine) => ({ machine })) }) })
    },
    subscribe: () => ({ unsubscribe: () => undefined }),
    publish: () => undefined,
  } as unknown as Connection
}

async function problemOf(answer: Promise<unknown>): Promise<object> {
  const problem = await answer.catch((error: unknown) => error)
  expect(problem).toBeInstanceOf(Problem)
  return (problem as Problem).document
}

describe("who is asked of a machine", () => {
  afterEach(() => void vi.useRealTimers())

  it("hears at once that there is none of the name, and which there are", async () => {
    const operator = operatorOn(
      silentBus(() => ["demo", "other"]),
      "gateway-0",
    )
    const document = await problemOf(answered(operator.askHypervisor("nosuch", { kind: "VmListAsk" })))
    expect(document).toMatchObject({ status: 404, field: "machine", detail: "there is no machine nosuch", remedy: "there is demo, other" })
  })

  it("waits where there is none yet: the first may just be made", async () => {
    vi.useFakeTimers()
    const operator = operatorOn(
      silentBus(() => []),
      "gateway-0",
    )
    let isOver = false
    const asked = problemOf(answered(operator.askHypervisor("demo", { kind: "VmListAsk" })).finally(() => (isOver = true)))
    await vi.advanceTimersByTimeAsync(4_000)
    expect(isOver).toBe(false)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(await asked).toMatchObject({ status: 404 })
  })

  it("hears in time that one is silent, or has gone meanwhile, or that nobody knows", async () => {
    vi.useFakeTimers()
    let machines: readonly string[] | null = ["demo"]
    const operator = operatorOn(
      silentBus(() => machines),
      "gateway-0",
    )
    const asks = (): Promise<object> => problemOf(answered(operator.askHypervisor("demo", { kind: "VmListAsk" })))
    const silent = asks()
    await vi.advanceTimersByTimeAsync(6_000)
    expect(await silent).toMatchObject({ status: 504 })
    const gone = asks()
    machines = []
    await vi.advanceTimersByTimeAsync(6_000)
    expect(await gone).toMatchObject({ status: 404, remedy: "none is running: start one with a scenario" })
    machines = null
    const unknown = asks()
    await vi.advanceTimersByTimeAsync(6_000)
    expect(await unknown).toMatchObject({ status: 504 })
  })
})
