/** What can be seen of a reconciliation: a trace that leads to the writes in conflict, and a write that can be followed until its last replica has it. */
import { describe, expect, it } from "vitest"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { SpanRecorder, type SimulatedSpan } from "@backplane/foundation-simulation/span-recorder"
import type { Operation } from "@backplane/kv-contract/client-messages"
import { MS, Scene, SECOND, traceName } from "./scene.ts"

const put = (bucket: string, value: string): Operation => ({ type: "put", bucket, key: "k", value })
const write = (bucket: string, value: string): Operation =>
  bucket === "set" ? { type: "update", bucket, key: "k", operation: { op: "add", element: value } } : put(bucket, value)
const words = (span: SimulatedSpan | undefined, name: string): string[] => String(span?.attributes[name] ?? "").split(" ")
const traceId = (sequence: number): string => traceName(sequence).split("-")[0] ?? ""

/** Two writes of a key by replicas that could not hear of each other, and what came of it when they could. */
function conflict(
  bucket: string,
  mend: (scene: Scene, holders: readonly ActorId[]) => void,
): { roots: readonly SimulatedSpan[]; writes: number[] } {
  const spans = new SpanRecorder()
  const scene = new Scene({ spans })
  const [first, second, third] = scene.holders(bucket, "k") as [ActorId, ActorId, ActorId]
  scene.world.partition([[first], [second, third]])
  const writes = [scene.ask(first, write(bucket, "a")), scene.ask(second, write(bucket, "b"))]
  scene.run(30 * MS)
  scene.world.healNetwork()
  mend(scene, [first, second, third])
  const roots = spans.spans.filter(({ name, parentSpanId }) => name.startsWith("kv.reconcile") && parentSpanId === null)
  return { roots, writes }
}

describe("a reconciliation", () => {
  it.each([
    { bucket: "plain", rule: "siblings", siblings: 2 },
    { bucket: "last", rule: "lww", siblings: 1 },
    { bucket: "set", rule: "or-set", siblings: 0 },
  ])(
    "in a bucket of kind $bucket leads to both writes, and names key, rule, what came of it, bytes and replicas",
    ({ bucket, rule, siblings }) => {
      const { roots, writes } = conflict(bucket, (scene) => scene.run(8 * SECOND))
      const whole = roots.filter(({ links }) => writes.every((write) => links.some((link) => link.traceId === traceId(write))))
      expect(whole.length).toBeGreaterThan(0)
      const [root] = whole
      expect(root?.attributes).toMatchObject({
        "backplane.key": expect.stringContaining("k"),
        "backplane.rule": rule,
        "backplane.siblings": siblings,
      })
      if (siblings > 0) expect(root?.attributes["backplane.bytes"]).toBe(siblings)
      else expect(root?.attributes["backplane.bytes"]).toBeGreaterThan("ab".length)
      expect(words(root, "backplane.replicas").length).toBeGreaterThan(0)
      expect(root?.attributes["backplane.winner"]).toBeDefined()
    },
  )

  it("found by a read names who got what", () => {
    const { roots, writes } = conflict("plain", (scene, [, second]) => {
      scene.success([second as ActorId], { type: "get", bucket: "plain", key: "k", r: 3 })
      scene.run(SECOND)
    })
    const repairs = roots.filter(({ name }) => /repair/.test(name))
    expect(repairs.length).toBeGreaterThan(0)
    for (const { attributes } of repairs) expect(words({ attributes } as SimulatedSpan, "backplane.replicas")[0]).toMatch(/^kv-shard/)
    const linked = new Set(repairs.flatMap(({ links }) => links.map((link) => link.traceId)))
    for (const write of writes) expect(linked).toContain(traceId(write))
  })
})

describe("a write that is followed", () => {
  it("is seen until its last replica has it, though that one was down: a span each, and a link from the hint that brought it", () => {
    const spans = new SpanRecorder()
    const scene = new Scene({ spans })
    const [first, second, third] = scene.holders("plain", "k") as [ActorId, ActorId, ActorId]
    scene.crash(third)
    const write = scene.ask(first, put("plain", "a"))
    scene.run(2 * SECOND)
    expect(scene.answer(write)).toMatchObject({ ok: true })
    scene.world.restart(third)
    scene.run(5 * SECOND)
    const own = spans.spans.filter((span) => span.traceId === traceId(write))
    const coordinated = own.find(({ name }) => name === "kv.write")
    expect(coordinated?.error).toBe("handed off")
    expect(words(coordinated, "backplane.replicas").sort()).toEqual([first, second].sort())
    expect(own.filter(({ name }) => name === "kv.copy").map(({ actor }) => actor)).toContain(second)
    const brought = spans.spans.filter(
      ({ name, parentSpanId, links }) =>
        /^kv.reconcile (hint|anti-entropy)$/.test(name) && parentSpanId === null && links.some((link) => link.traceId === traceId(write)),
    )
    expect(brought.flatMap((span) => words(span, "backplane.replicas"))).toContain(third)
    expect(scene.states("plain", "k").map(({ versions }) => versions.length)).toEqual([1, 1, 1])
  })

  it("of a register is followed at its leader until the last voter has it, and what was said to the voters is in its trace", () => {
    const spans = new SpanRecorder()
    const scene = new Scene({ spans })
    const place = { bucket: "register", key: "k" }
    const holders = scene.holders(place.bucket, place.key)
    scene.success(holders, { type: "cas", ...place, expect: null, value: "a" })
    scene.run(SECOND)
    const leader = scene.leader(place.bucket, place.key) as ActorId
    const [other, third] = holders.filter((id) => id !== leader) as [ActorId, ActorId]
    const cas = (expect: string, value: string): number => scene.ask(leader, { type: "cas", ...place, expect, value })
    const writeOf = (sequence: number): SimulatedSpan | undefined =>
      spans.spans.find((span) => span.traceId === traceId(sequence) && span.name === "kv.write")

    const everywhere = cas("a", "bb")
    scene.run(SECOND)
    expect(writeOf(everywhere)).toMatchObject({ actor: leader, attributes: { "backplane.key": "register/k", "backplane.bytes": 2 } })
    expect(writeOf(everywhere)?.error ?? null).toBeNull()
    expect(words(writeOf(everywhere), "backplane.replicas")).toEqual([...holders].sort())
    const actors = spans.spans.filter((span) => span.traceId === traceId(everywhere)).map(({ actor }) => actor)
    expect(new Set(actors)).toEqual(new Set(holders))

    scene.crash(third)
    const short = cas("bb", "c")
    scene.run(10 * SECOND)
    expect(scene.answer(short)).toMatchObject({ ok: true, swapped: true })
    expect(writeOf(short)?.error).toBe("not with every replica in time")
    expect(words(writeOf(short), "backplane.replicas")).toEqual([leader, other].sort())
  })
})
