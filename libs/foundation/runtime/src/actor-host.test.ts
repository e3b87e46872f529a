import { actorId } from "@backplane/foundation-actor/actor-id"
import { cancel, closeSpan, event, noteSpan, openSpan, persist, send, timer } from "@backplane/foundation-actor/effects"
import type { Body, Effect, Input, Machine, Restored } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { AssertionError } from "@backplane/foundation-base/assert"
import { performance } from "node:perf_hooks"
import { afterEach, describe, expect, it } from "vitest"
import { ActorHost } from "./actor-host.ts"
import { LocalBus } from "./local-bus.ts"
import { PacedClock, wallMilliseconds } from "./paced-clock.ts"
import { RandomSpanIds } from "./random-span-ids.ts"
import { MemorySink } from "./sinks.ts"
import { MemoryStore, type Store } from "./store.ts"

const A = actorId("node.0")
const B = actorId("node.1")

/** Answers inputs by a function and remembers them. */
class Scripted implements Machine {
  readonly heard: Input<Body>[] = []
  readonly times: number[] = []
  restored: Restored = new Map()
  readonly #answer: (now: VirtualTime, input: Input<Body> | null) => readonly Effect<Body>[]

  constructor(answer: (now: VirtualTime, input: Input<Body> | null) => readonly Effect<Body>[]) {
    this.#answer = answer
  }

  start(now: VirtualTime, restored: Restored): readonly Effect<Body>[] {
    this.restored = restored
    return this.#answer(now, null)
  }

  step(now: VirtualTime, input: Input<Body>): readonly Effect<Body>[] {
    this.heard.push(input)
    this.times.push(now)
    return this.#answer(now, input)
  }
}

const hosts: ActorHost[] = []
afterEach(() => {
  for (const host of hosts.splice(0)) host.stop("the test is over")
})

function makeHost(options: { store?: Store; inboxMax?: number } = {}) {
  const sink = new MemorySink(100_000)
  const bus = new LocalBus({ events: sink })
  const fatal: string[] = []
  const host = new ActorHost({
    machineName: "m",
    bus,
    clock: new PacedClock({ cyclesPerSecond: 1_000_000, originMilliseconds: wallMilliseconds() }),
    store: options.store ?? new MemoryStore(),
    events: sink,
    spans: sink,
    spanIds: new RandomSpanIds(),
    onFatal: (error, actor) => fatal.push(`${actor}: ${error.message}`),
    ...(options.inboxMax === undefined ? {} : { inboxMax: options.inboxMax }),
  })
  hosts.push(host)
  return { host, bus, sink, fatal }
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2000 && !condition(); turn++) await new Promise((resolve) => setTimeout(resolve, 1))
  expect(condition()).toBe(true)
}

describe("actor host in free mode", () => {
  it("carries messages between its actors and keeps their order", async () => {
    const { host } = makeHost()
    const b = new Scripted(() => [])
    await host.add({ actor: B, epoch: 1, machine: b })
    await host.add({
      actor: A,
      epoch: 1,
      machine: new Scripted((_, input) => (input === null ? [1, 2, 3].map((number) => send(B, { kind: `M${number}` })) : [])),
    })
    await until(() => b.heard.length === 3)
    expect(b.heard.map((input) => (input.kind === "message" ? [input.from, input.body.kind] : []))).toEqual([
      [A, "M1"],
      [A, "M2"],
      [A, "M3"],
    ])
    expect(host.reports().map(({ actor, sent, inputs, inboxLength }) => [actor, sent, inputs, inboxLength])).toEqual([
      [B, 0, 3, 0],
      [A, 3, 0, 0],
    ])
  })

  it("a timer never comes before its time, a replaced one once, a cancelled one not at all", async () => {
    const { host } = makeHost()
    let due = 0
    const machine = new Scripted((now, input) => {
      if (input !== null) return []
      due = now + 5_000
      return [
        timer("replaced", after(now, 50_000)),
        timer("replaced", after(now, 5_000)),
        timer("off", after(now, 1)),
        cancel("off"),
        timer("end", after(now, 20_000)),
      ]
    })
    await host.add({ actor: A, epoch: 1, machine })
    await until(() => machine.heard.some((input) => input.kind === "timer" && input.key === "end"))
    expect(machine.heard).toEqual([
      { kind: "timer", key: "replaced" },
      { kind: "timer", key: "end" },
    ])
    expect(machine.times[0]).toBeGreaterThanOrEqual(due)
  })

  it("a long wait may end a millisecond late, and is not ended by polling", async () => {
    const { host } = makeHost()
    let due = 0
    const machine = new Scripted((now, input) => (input === null ? [timer("end", after(now, (due = 30_000)))] : []))
    await host.add({ actor: A, epoch: 1, machine })
    const { loopCount } = performance.nodeTiming.uvMetricsInfo
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(machine.times[0]).toBeGreaterThanOrEqual(due)
    // The wait above, the timer, and what vitest does: polling would be hundreds.
    expect(performance.nodeTiming.uvMetricsInfo.loopCount - loopCount).toBeLessThan(20)
  })

  it("nor is the rest of a long wait polled for that comes first when another timer has gone off", async () => {
    const waits = Array.from({ length: 20 }, (_, index) => 20_000 + index * 700)
    const { host } = makeHost()
    const due = new Map<string, number>()
    const machine = new Scripted((now, input) =>
      input === null
        ? waits.map((wait) => {
            due.set(`after ${wait}`, now + wait)
            return timer(`after ${wait}`, after(now, wait))
          })
        : [],
    )
    await host.add({ actor: A, epoch: 1, machine })
    const loops = (): number => performance.nodeTiming.uvMetricsInfo.loopCount
    const before = loops()
    await until(() => machine.heard.length === waits.length)
    const went = machine.heard.map((input, index) => [input.kind === "timer" ? input.key : "", machine.times[index] ?? 0] as const)
    expect(went.map(([key]) => key)).toEqual([...due.keys()])
    expect(went.every(([key, at]) => at >= (due.get(key) ?? Number.POSITIVE_INFINITY))).toBe(true)
    // The timers, and `until`, a millisecond each time: polling would be thousands.
    expect(loops() - before).toBeLessThan(200)
  })

  it("two actors that talk without end do not starve I/O", async () => {
    const { host } = makeHost()
    const echo = new Scripted((_, input) => (input?.kind === "message" ? [send(input.from, { kind: "Ping" })] : []))
    await host.add({ actor: B, epoch: 1, machine: echo })
    await host.add({
      actor: A,
      epoch: 1,
      machine: new Scripted((_, input) => (input === null || input.kind === "message" ? [send(B, { kind: "Ping" })] : [])),
    })
    await until(() => echo.heard.length > 100) // timers of ours come in between, or this would never end
  })

  it("a persisted input comes after the write, and a restarted actor finds the value", async () => {
    const store = new MemoryStore()
    const { host } = makeHost({ store })
    const first = new Scripted((_, input) => (input === null ? [persist("epoch", 7)] : []))
    await host.add({ actor: A, epoch: 1, machine: first })
    await until(() => first.heard.length === 1)
    expect(first.heard).toEqual([{ kind: "persisted", key: "epoch" }])
    expect(host.remove(A)).toBe(true)
    const second = new Scripted(() => [])
    await host.add({ actor: A, epoch: 2, machine: second })
    expect(second.restored).toEqual(new Map([["epoch", 7]]))
  })

  it("a full inbox drops the newest, counts it and says so", async () => {
    const { host, bus, sink } = makeHost({ inboxMax: 10 })
    const machine = new Scripted(() => [])
    await host.add({ actor: A, epoch: 1, machine })
    for (let count = 0; count < 100; count++) bus.publish({ machine: "m", from: B, to: A, body: { kind: "Flood" } })
    await until(() => machine.heard.length === 10 && host.reports()[0]?.inboxLength === 0)
    expect(host.reports()[0]?.inboxDropped).toBe(90)
    const told = [...sink.events].filter(({ name }) => name === "host.inbox-full").map(({ fields }) => fields)
    expect(told.map(({ dropped }) => dropped)).toEqual([1, 2, 4, 8, 16, 32, 64])
    expect(told.reduce((sum, { more }) => sum + Number(more), 0)).toBe(64)
  })

  it("a trace goes through: the incoming span is the parent of the step, the step of what is sent", async () => {
    const { host, bus, sink } = makeHost()
    const b = new Scripted((_, input) =>
      input?.kind === "message" ? [noteSpan("b.answer"), openSpan("k", "b.work"), closeSpan("k"), event("b.done")] : [],
    )
    await host.add({ actor: B, epoch: 1, machine: b })
    await host.add({
      actor: A,
      epoch: 1,
      machine: new Scripted((_, input) => (input?.kind === "message" ? [send(B, { kind: "Next" })] : [])),
    })
    const trace = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled: true }
    bus.publish({ machine: "m", from: B, to: A, body: { kind: "First" }, trace })
    await until(() => sink.spans.length === 3)
    const spans = [...sink.spans]
    const [first, work, answer] = spans
    expect(spans.map(({ name, traceId }) => [name, traceId])).toEqual([
      ["handle First", trace.traceId],
      ["b.work", trace.traceId],
      ["b.answer", trace.traceId],
    ])
    expect([first?.parentSpanId, answer?.parentSpanId, work?.parentSpanId]).toEqual([trace.spanId, first?.spanId, answer?.spanId])
    expect([...sink.events].map(({ name, actor, machine }) => [name, actor, machine])).toEqual([["b.done", B, "m"]])
  })

  it("a machine that throws stops the host: nothing more is handled, and onFatal hears of it once", async () => {
    const { host, bus, sink, fatal } = makeHost()
    const machine = new Scripted((_, input) => {
      if (input === null) return []
      throw new AssertionError("M has an owner")
    })
    await host.add({ actor: A, epoch: 1, machine })
    for (let count = 0; count < 3; count++) bus.publish({ machine: "m", from: B, to: A, body: { kind: "Ping" } })
    await until(() => fatal.length > 0)
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(fatal).toEqual(["node.0: M has an owner"])
    expect(machine.heard.length).toBe(1)
    expect([...sink.events].map(({ name, level }) => [name, level])).toEqual([["host.fatal", "error"]])
  })

  it("a write that fails is fatal: the machine waits for an answer that cannot come", async () => {
    const failing: Store = {
      open: () => ({
        load: () => Promise.resolve(new Map()),
        write: (_key, _value, done) => void setImmediate(() => done(new Error("ENOSPC"))),
      }),
    }
    const { host, fatal } = makeHost({ store: failing })
    await host.add({ actor: A, epoch: 1, machine: new Scripted((_, input) => (input === null ? [persist("k", 1)] : [])) })
    await until(() => fatal.length > 0)
    expect(fatal).toEqual(["node.0: ENOSPC"])
  })

  it("lets I/O have its turn between long inputs, however many of them are due", async () => {
    const { host } = makeHost()
    const steps: number[] = []
    let done = 0
    const machine = new Scripted((now) => {
      if (done >= 40) return []
      // Always due again; each takes longer than a turn may.
      for (const end = performance.now() + 1; performance.now() < end;) steps.length
      done += 1
      return [timer("again", after(now, 1))]
    })
    await host.add({ actor: A, epoch: 1, machine })
    for (let turn = 0; turn < 4000 && done < 40; turn++) {
      const before = done
      await new Promise((resolve) => setImmediate(resolve))
      steps.push(done - before)
    }
    expect(done).toBe(40)
    expect(Math.max(...steps)).toBeLessThanOrEqual(2)
  })
})
