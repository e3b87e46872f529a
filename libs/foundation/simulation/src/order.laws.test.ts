/**
 * The order of an exact world against a stupid reference: one list of everything due, searched from the front each time.
 * Random machines that send, set, cancel and persist drive both.
 */
import fc from "fast-check"
import { expect, it } from "vitest"
import { compareText } from "@backplane/foundation-base/json"
import { Random } from "@backplane/foundation-base/random"
import { actorId, compareActors, type ActorId } from "@backplane/foundation-actor/actor-id"
import { cancel, persist, send, timer } from "@backplane/foundation-actor/effects"
import type { Body, Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { after, virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { World } from "./world.ts"

const ACTORS = ["node.2", "node.10", "kv.0", "node.1"].map(actorId)
const LATENCY = 3
const PERSIST_LATENCY = 4
const STEPS_MAX = 400

/** Does as its random stream says and writes every input into the common log. */
class Chaos implements Machine {
  readonly #id: ActorId
  readonly #random: Random
  readonly #log: string[]

  constructor(id: ActorId, random: Random, log: string[]) {
    this.#id = id
    this.#random = random
    this.#log = log
  }

  start(now: VirtualTime): readonly Effect<Body>[] {
    return this.#effects(now)
  }

  step(now: VirtualTime, input: Input<Body>): readonly Effect<Body>[] {
    this.#log.push(`${now} ${this.#id} ${input.kind === "message" ? `${input.from} ${input.body.kind}` : `${input.kind} ${input.key}`}`)
    return this.#effects(now)
  }

  #effects(now: VirtualTime): readonly Effect<Body>[] {
    return Array.from({ length: this.#random.below(5) }, () => this.#effect(now))
  }

  #effect(now: VirtualTime): Effect<Body> {
    const key = this.#random.pick(["a", "b"])
    switch (this.#random.below(5)) {
      case 0:
        return timer(key, after(now, this.#random.below(6)))
      case 1:
        return cancel(key)
      case 2:
        return persist(key, this.#random.below(9))
      default:
        return send(this.#random.pick(ACTORS), { kind: `Word${this.#random.below(100)}` })
    }
  }
}

interface Pending {
  readonly at: number
  readonly actor: ActorId
  readonly rank: number
  readonly from: ActorId
  readonly sequence: number
  readonly key: string
  readonly body: Body | null
}

function comparePending(a: Pending, b: Pending): number {
  return (
    a.at - b.at ||
    compareActors(a.actor, b.actor) ||
    a.rank - b.rank ||
    compareActors(a.from, b.from) ||
    a.sequence - b.sequence ||
    compareText(a.key, b.key)
  )
}

/** The specification, as slow and plain as can be. */
function reference(seed: number, compare = comparePending): string[] {
  const log: string[] = []
  let pending: Pending[] = []
  const sent = new Map<ActorId, number>()
  const machines = new Map(ACTORS.map((id) => [id, new Chaos(id, new Random(seed).fork(id), log)]))
  const carry = (actor: ActorId, now: VirtualTime, effects: readonly Effect<Body>[]): void => {
    const isTimer = (each: Pending, key: string): boolean => each.actor === actor && each.rank === 2 && each.key === key
    for (const effect of effects) {
      const common = { actor, from: actor, sequence: 0, body: null }
      if (effect.kind === "send") {
        const sequence = (sent.get(actor) ?? 0) + 1
        sent.set(actor, sequence)
        pending.push({ at: now + LATENCY, actor: effect.to, rank: 1, from: actor, sequence, key: "", body: effect.body })
      } else if (effect.kind === "persist") {
        pending.push({ ...common, at: now + PERSIST_LATENCY, rank: 0, key: effect.key })
      } else if (effect.kind === "timer" || effect.kind === "cancel") {
        pending = pending.filter((each) => !isTimer(each, effect.key))
        if (effect.kind === "timer") pending.push({ ...common, at: effect.at, rank: 2, key: effect.key })
      }
    }
  }
  for (const id of [...ACTORS].sort(compareActors)) carry(id, virtualTime(0), machines.get(id)!.start(virtualTime(0)))
  for (let steps = 0; steps < STEPS_MAX && pending.length > 0; steps++) {
    const next = pending.reduce((first, each) => (compare(each, first) < 0 ? each : first))
    pending.splice(pending.indexOf(next), 1)
    const now = virtualTime(next.at)
    const input: Input<Body> =
      next.body === null
        ? { kind: next.rank === 0 ? "persisted" : "timer", key: next.key }
        : { kind: "message", from: next.from, body: next.body }
    carry(next.actor, now, machines.get(next.actor)!.step(now, input))
  }
  return log
}

function simulated(seed: number, order: readonly ActorId[]): string[] {
  const log: string[] = []
  const world = new World({ seed, latency: LATENCY, persistLatency: PERSIST_LATENCY })
  for (const id of order) world.add(id, () => new Chaos(id, new Random(seed).fork(id), log))
  world.run({ stop: () => world.steps >= STEPS_MAX })
  return log
}

it("an exact world handles what the reference handles, in its order, in whatever order the actors were added", () => {
  fc.assert(
    fc.property(fc.nat(), fc.shuffledSubarray(ACTORS, { minLength: ACTORS.length }), (seed, order) => {
      expect(simulated(seed, order)).toEqual(reference(seed))
    }),
    { numRuns: 100 },
  )
})

it("the random machines are lively: most seeds reach the step limit", () => {
  const lengths = Array.from({ length: 20 }, (_, seed) => simulated(seed, ACTORS).length)
  expect(lengths.filter((length) => length === STEPS_MAX).length).toBeGreaterThan(10)
})

it("a world with any other order would be caught", () => {
  const wrongOrders: readonly ((a: Pending, b: Pending) => number)[] = [
    (a, b) => a.at - b.at || a.rank - b.rank || comparePending(a, b),
    (a, b) => a.at - b.at || compareText(a.actor, b.actor) || comparePending(a, b),
    (a, b) => a.at - b.at || compareActors(a.actor, b.actor) || b.rank - a.rank || comparePending(a, b),
    (a, b) => a.at - b.at || compareActors(a.actor, b.actor) || a.rank - b.rank || a.sequence - b.sequence || comparePending(a, b),
  ]
  for (const wrong of wrongOrders) {
    const seeds = Array.from({ length: 20 }, (_, seed) => seed)
    expect(seeds.filter((seed) => reference(seed, wrong).join() !== reference(seed).join()).length).toBeGreaterThan(10)
  }
})
