import { describe, expect, it } from "vitest"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { cancel, closeSpan, event, noteSpan, openSpan, persist, send, timer } from "@backplane/foundation-actor/effects"
import type { Body, Machine, Restored } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { SimulationFailure } from "./simulation-failure.ts"
import { SpanRecorder } from "./span-recorder.ts"
import { Probe, word, type ProbeScript } from "./testing/probe.ts"
import { World } from "./world.ts"
import type { WorldOptions } from "./world-options.ts"

const A = actorId("node.0")
const B = actorId("node.1")
const C = actorId("node.10")

function probes(scripts: ReadonlyMap<ActorId, ProbeScript>, options: Partial<WorldOptions> = {}): World {
  const world = new World({ seed: 1, ...options })
  for (const [id, script] of scripts) world.add(id, () => new Probe(script))
  return world
}

function heardBy(world: World, actor: ActorId): readonly string[] {
  return world.inspect(actor, Probe)?.heard ?? []
}

function thrownBy(run: () => void): SimulationFailure {
  try {
    run()
  } catch (thrown) {
    if (thrown instanceof SimulationFailure) return thrown
    throw thrown
  }
  throw new Error("nothing was thrown")
}

describe("an exact world", () => {
  it("delivers after the latency, to oneself too", () => {
    const world = probes(
      new Map([
        [A, { start: () => [send(B, word("Hello")), send(A, word("Note"))] }],
        [B, {}],
      ]),
    )
    expect(world.run()).toEqual({ reason: "quiet", now: 100, steps: 2 })
    expect([heardBy(world, A), heardBy(world, B)]).toEqual([["100 Note from node.0"], ["100 Hello from node.0"]])
  })

  it("handles one time in the order of actors, and for one actor: disk, then messages by sender and count, then timers by key", () => {
    const order: string[] = []
    const tell = (who: ActorId): ProbeScript => ({
      step: (_now, input) => {
        order.push(`${who} ${input.kind === "message" ? `${input.body.kind} from ${input.from}` : `${input.kind} ${input.key}`}`)
        return []
      },
    })
    const world = probes(
      new Map<ActorId, ProbeScript>([
        [C, { start: () => [send(B, word("First")), send(B, word("Second"))] }],
        [
          B,
          {
            ...tell(B),
            start: () => [timer("z", virtualTime(100)), timer("a", virtualTime(100)), persist("disk", 1), send(A, word("Up"))],
          },
        ],
        [A, { ...tell(A), start: () => [send(B, word("Third"))] }],
      ]),
      { persistLatency: 100 },
    )
    world.run()
    expect(order).toEqual([
      "node.0 Up from node.1",
      "node.1 persisted disk",
      "node.1 Third from node.0",
      "node.1 First from node.10",
      "node.1 Second from node.10",
      "node.1 timer a",
      "node.1 timer z",
    ])
  })

  it("fires a timer of the past now, one set again at its last time, and a cancelled one never", () => {
    const set = [
      timer("late", virtualTime(30)),
      timer("moved", virtualTime(40)),
      timer("moved", virtualTime(70)),
      timer("gone", virtualTime(50)),
      cancel("gone"),
    ]
    const world = probes(
      new Map<ActorId, ProbeScript>([
        [
          A,
          {
            start: () => set,
            step: (now, input) => (input.kind === "timer" && input.key === "late" ? [timer("past", virtualTime(now - 5))] : []),
          },
        ],
      ]),
    )
    world.run()
    expect(heardBy(world, A)).toEqual(["30 timer late", "30 timer past", "70 timer moved"])
  })

  it("runs to a time and on from there, and stops where it is told", () => {
    const world = probes(
      new Map<ActorId, ProbeScript>([
        [A, { start: () => [timer("tick", virtualTime(10))], step: (now) => [timer("tick", virtualTime(now + 10))] }],
      ]),
    )
    expect(world.run({ until: virtualTime(35) })).toEqual({ reason: "until", now: 35, steps: 3 })
    expect(world.run({ stop: () => world.steps === 5 })).toEqual({ reason: "stop", now: 50, steps: 2 })
  })

  it("loses a message to nobody, and counts it", () => {
    const world = probes(new Map([[A, { start: () => [send(B, word("Hello"))] }]]))
    world.run()
    expect(world.counts).toMatchObject({ sent: 1, unheard: 1, delivered: 0 })
    expect(world.trace()).toEqual(["0 node.0 start 1", "0 node.0 > node.1 Hello {}", "0 node.0 node.1 is not there"])
  })

  it("takes messages from outside", () => {
    const world = probes(new Map([[A, {}]]))
    world.inject({ from: B, to: A, body: word("Hello") })
    world.run()
    expect(heardBy(world, A)).toEqual(["100 Hello from node.1"])
    expect(() => world.inject({ from: A, to: A, body: word("Hello") })).toThrow(/node.0 is hosted and speaks for itself/)
  })

  it("carries bodies through the app's codec where there is one", () => {
    let got: unknown = null
    const step: ProbeScript["step"] = (_now, input) => {
      got = input.kind === "message" ? input.body : null
      return []
    }
    const body: Body & { readonly text: string } = { kind: "Hello", text: "plain" }
    const world = probes(
      new Map<ActorId, ProbeScript>([
        [A, { start: () => [send(B, body)] }],
        [B, { step }],
      ]),
      { carry: (sent) => ({ ...sent, text: "carried" }) as Body },
    )
    world.run()
    expect(got).toEqual({ kind: "Hello", text: "carried" })
  })

  it("shows events to who watches", () => {
    const seen: string[] = []
    const world = probes(new Map([[A, { start: () => [event("backplane.up", { cpus: 2 }, "info")] }]]))
    world.onEvent((at, actor, { name, fields }) => seen.push(`${at} ${actor} ${name} ${JSON.stringify(fields)}`))
    world.run()
    expect(seen).toEqual([`0 node.0 backplane.up {"cpus":2}`])
  })
})

describe("a crash", () => {
  /** Writes `one` at the start and `two` at 500; remembers what it found. */
  function writer(found: string[]): ProbeScript {
    return {
      start: (now, restored: Restored) => {
        found.push(JSON.stringify([...restored]))
        return now === 0 ? [persist("one", 1), timer("two", virtualTime(500)), timer("late", virtualTime(5000))] : []
      },
      step: (_now, input) => (input.kind === "timer" && input.key === "two" ? [persist("two", { list: [2] })] : []),
    }
  }

  it("loses timers and what is known, and what is on disk is found again", () => {
    const found: string[] = []
    const world = probes(new Map([[A, writer(found)]]))
    world.run({ until: virtualTime(2000) })
    world.crash(A)
    world.restart(A)
    world.run()
    expect(found).toEqual(["[]", `[["one",1],["two",{"list":[2]}]]`])
    expect([world.incarnationOf(A), heardBy(world, A)]).toEqual([2, []])
  })

  it("may lose what was not synced", () => {
    const found: string[] = []
    const world = probes(new Map([[A, writer(found)]]))
    world.run({ until: virtualTime(1200) })
    world.crash(A, { loseUnsynced: true })
    world.restart(A)
    world.run()
    expect(found).toEqual(["[]", `[["one",1]]`])
    expect(world.trace()).toContain("1200 world crash node.0, 1 unsynced writes lost")
  })

  it("of the process alone loses no write", () => {
    const found: string[] = []
    const world = probes(new Map([[A, writer(found)]]))
    world.run({ until: virtualTime(1200) })
    world.crash(A)
    world.restart(A)
    world.run()
    expect(found.at(-1)).toBe(`[["one",1],["two",{"list":[2]}]]`)
  })

  it("loses the messages that come while it lasts, not those that come after", () => {
    const ticks = [timer("a", virtualTime(10)), timer("b", virtualTime(200))]
    const world = probes(
      new Map<ActorId, ProbeScript>([
        [A, {}],
        [B, { start: () => ticks, step: () => [send(A, word("Hello"))] }],
      ]),
    )
    world.run({ until: virtualTime(50) })
    world.crash(A)
    world.at(virtualTime(250), () => world.restart(A))
    world.run()
    expect(heardBy(world, A)).toEqual(["300 Hello from node.1"])
    expect(world.counts.lostAtDown).toBe(1)
  })

  it("numbers the sends of each life from one", () => {
    const world = probes(
      new Map<ActorId, ProbeScript>([
        [A, { start: () => [send(B, word("Up"))] }],
        [B, {}],
      ]),
    )
    world.run()
    world.crash(A)
    world.restart(A)
    world.run()
    expect(world.trace().filter((line) => line.includes("<"))).toEqual(["100 node.1 < node.0 #1 Up {}", "200 node.1 < node.0 #1 Up {}"])
  })

  it("of one that is down already is refused, and so is the restart of one that is up", () => {
    const world = probes(new Map([[A, {}]]))
    expect(() => world.restart(A)).toThrow(/node.0 is down when it is restarted/)
    world.run()
    world.crash(A)
    expect(() => world.crash(A)).toThrow(/node.0 is up when it crashes/)
  })
})

describe("a pause", () => {
  it("holds all inputs back, and then they come in order at the time of the resumption", () => {
    const world = probes(
      new Map<ActorId, ProbeScript>([
        [A, { start: () => [timer("t", virtualTime(50))] }],
        [B, { start: () => [send(A, word("Hello"))] }],
      ]),
    )
    world.run({ until: virtualTime(10) })
    world.pause(A)
    world.run({ until: virtualTime(400) })
    expect(heardBy(world, A)).toEqual([])
    world.resume(A)
    world.run()
    expect(heardBy(world, A)).toEqual(["400 timer t", "400 Hello from node.1"])
  })
})

describe("links that are down", () => {
  /** Everybody greets everybody at 10, 1010, 2010 … */
  function greeters(): World {
    const all = [A, B, C]
    const script: ProbeScript = {
      start: () => [timer("greet", virtualTime(10))],
      step: (now, input) =>
        input.kind === "timer" ? [timer("greet", virtualTime(now + 1000)), ...all.map((to) => send(to, word("Hi")))] : [],
    }
    return probes(new Map(all.map((id) => [id, script])))
  }
  const linksAfter = (world: World): string[] => {
    const from = world.now
    world.run({ until: virtualTime(from + 1000) })
    return world.actors.flatMap((to) =>
      heardBy(world, to)
        .filter((line) => line.includes("Hi") && Number.parseInt(line) > from)
        .map((line) => `${line.split(" ").at(-1)?.slice(5)}>${to.slice(5)}`),
    )
  }
  const ALL = ["0>0", "1>0", "10>0", "0>1", "1>1", "10>1", "0>10", "1>10", "10>10"]

  it("full, partial, one-way: exactly those are lost, and healing opens all", () => {
    const world = greeters()
    expect(linksAfter(world)).toEqual(ALL)
    world.partition([[A], [B, C]])
    expect(linksAfter(world)).toEqual(ALL.filter((link) => !["1>0", "10>0", "0>1", "0>10"].includes(link)))
    world.partition([
      [A, B],
      [B, C],
    ])
    expect(linksAfter(world)).toEqual(ALL.filter((link) => !["10>0", "0>10"].includes(link)))
    world.healNetwork()
    world.cut([A], [B, C])
    expect(linksAfter(world)).toEqual(ALL.filter((link) => !["0>1", "0>10"].includes(link)))
    world.heal()
    expect(linksAfter(world)).toEqual(ALL)
  })

  it("healing a core leaves the rest as it is", () => {
    const world = greeters()
    world.run({ until: virtualTime(1) })
    world.partition([[A], [B], [C]])
    world.crash(A)
    world.crash(C)
    world.healCore([A, B])
    expect(world.actors.map((actor) => world.stateOf(actor))).toEqual(["running", "running", "crashed"])
    expect(linksAfter(world)).toEqual(["0>0", "1>0", "0>1", "1>1"])
  })

  it("a clogged link delivers all at its end, in order, and is exact again", () => {
    const world = probes(
      new Map<ActorId, ProbeScript>([
        [
          A,
          {
            start: () => [timer("a", virtualTime(10)), timer("b", virtualTime(20)), timer("c", virtualTime(900))],
            step: (_now, input) => (input.kind === "timer" ? [send(B, word(`Say-${input.key}`))] : []),
          },
        ],
        [B, {}],
      ]),
    )
    world.run({ until: virtualTime(1) })
    world.clog(A, B, 499)
    world.run()
    expect(heardBy(world, B)).toEqual(["500 Say-a from node.0", "500 Say-b from node.0", "1000 Say-c from node.0"])
  })
})

describe("a failure", () => {
  it("carries seed, time, actor, the last lines and the command that replays it", () => {
    const world = probes(
      new Map<ActorId, ProbeScript>([
        [A, { start: () => [send(B, { kind: "Hello", pc: 0x80000000n, bytes: new Uint8Array([1, 2]) } as Body)] }],
        [
          B,
          {
            step: () => {
              throw new Error("boom")
            },
          },
        ],
      ]),
      { seed: 42, replayCommand: "npx backplane simulate --seed {seed}" },
    )
    const failure = thrownBy(() => world.run())
    expect(failure.message).toBe(
      [
        "Error: boom",
        "  seed 42, virtual time 100, node.1",
        "  replay: npx backplane simulate --seed 42",
        "  last 4 lines of the trace:",
        "    0 node.0 start 1",
        "    0 node.0 > node.1 Hello {bytes: <0102>, pc: 0x80000000}",
        "    0 node.1 start 1",
        "    100 node.1 < node.0 #1 Hello {bytes: <0102>, pc: 0x80000000}",
      ].join("\n"),
    )
    expect(failure.cause).toEqual(new Error("boom"))
    expect(failure.report).toMatchObject({ seed: 42, at: 100, who: "node.1" })
  })

  it("names the checker that found it, at the first step that is wrong", () => {
    const world = probes(
      new Map<ActorId, ProbeScript>([
        [A, { start: () => [timer("t", virtualTime(5))], step: (now) => [timer("t", virtualTime(now + 5))] }],
      ]),
    )
    world.addChecker("few ticks", (seen) => {
      if ((seen.inspect(A, Probe)?.heard.length ?? 0) > 3) throw new Error("too many ticks")
    })
    expect(thrownBy(() => world.run()).report).toMatchObject({ at: 20, who: "checker few ticks" })
  })

  it("ends a run that has no end, a flood, and a machine that changes what it sent", () => {
    const forever = probes(
      new Map<ActorId, ProbeScript>([[A, { start: () => [timer("t", virtualTime(0))], step: (now) => [timer("t", now)] }]]),
      { stepsMax: 50 },
    )
    expect(() => forever.run()).toThrow(/more than 50 steps: no end in sight/)
    const flood = probes(
      new Map<ActorId, ProbeScript>([
        [A, { start: () => Array.from({ length: 11 }, () => send(B, word("Hi"))) }],
        [B, {}],
      ]),
      { waitingMax: 10 },
    )
    expect(() => flood.run()).toThrow(/at most 10 messages wait for node.1/)
    const list = [1]
    const changer = probes(
      new Map<ActorId, ProbeScript>([
        [
          A,
          {
            start: () => [send(A, { kind: "List", list } as Body)],
            step: () => {
              list.push(2)
              return []
            },
          },
        ],
      ]),
    )
    expect(() => changer.run()).toThrow(/TypeError/)
  })

  it("says what is no progress after the faults", () => {
    const world = probes(new Map([[A, {}]]))
    expect(() => world.demandProgress({ what: "an answer", within: 500, done: () => false })).toThrow(
      /no progress: an answer within 500 cycles/,
    )
  })

  it("refuses options by name", () => {
    expect(() => new World({ seed: 1, latency: 0 })).toThrow(/latency is a whole number of cycles, at least 1/)
    expect(() => new World({ seed: 1, faults: { until: virtualTime(1), loss: 2 } })).toThrow(/fault plan: loss is a chance/)
    expect(() => probes(new Map([[A, {}]])).add(A, () => new Probe())).toThrow(/node.0 is hosted once/)
  })
})

describe("spans", () => {
  function traced(seed: number): SpanRecorder {
    const spans = new SpanRecorder()
    const asker: Machine = {
      start: () => [openSpan("ask", "toy.ask", { size: 1 }), send(B, word("Ask"), "ask"), send(C, word("Quiet"))],
      step: (_now, input) => (input.kind === "message" ? [closeSpan("ask", {}, "refused")] : []),
    }
    const world = new World({ seed, spans })
    world.add(A, () => asker)
    world.add(B, () => new Probe({ step: () => [noteSpan("toy.answer"), send(A, word("No"))] }))
    world.add(C, () => new Probe({ step: () => [] }))
    world.run()
    return spans
  }

  it("go with the messages that name them; one without a context makes none", () => {
    const { spans } = traced(1)
    expect(spans.map(({ name, actor, start, end, error }) => ({ name, actor, start, end, error }))).toEqual([
      { name: "toy.answer", actor: B, start: 100, end: 100, error: null },
      { name: "toy.ask", actor: A, start: 0, end: 200, error: "refused" },
      { name: "handle No", actor: A, start: 200, end: 200, error: null },
    ])
    const [answer, ask, back] = spans
    expect(new Set(spans.map((span) => span.traceId)).size).toBe(1)
    expect([ask?.parentSpanId, answer?.parentSpanId, back?.parentSpanId]).toEqual([null, ask?.spanId, answer?.spanId])
    expect(ask?.traceId).toMatch(/^[0-9a-f]{32}$/)
    expect(ask?.spanId).toMatch(/^[0-9a-f]{16}$/)
  })

  it("have the ids of the seed", () => {
    expect(traced(1).spans).toEqual(traced(1).spans)
    expect(traced(2).spans[0]?.traceId).not.toBe(traced(1).spans[0]?.traceId)
  })
})
