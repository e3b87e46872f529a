/**
 * Messages per second of the simulated world on one core, against a bare event loop that makes the same deliveries.
 *
 * The load: 64 actors in a scattered ring, each with 8 balls under way; who gets a ball passes it on, counted up. The
 * baseline is the least that can be called a simulation: a priority queue ordered by (time, order of sending) and a
 * function per actor, with no fingerprint, trace, freezing or faults. Ours as users get it, then with the fingerprint
 * off, then with a span per step.
 */
import { assert } from "@backplane/foundation-base/assert"
import { PriorityQueue } from "@backplane/foundation-base/priority-queue"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { noteSpan, send } from "@backplane/foundation-actor/effects"
import type { Body, Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { SpanRecorder } from "@backplane/foundation-simulation/span-recorder"
import { World } from "@backplane/foundation-simulation/world"
import type { WorldOptions } from "@backplane/foundation-simulation/world-options"
import type { Bench, BenchOptions, Figure } from "./bench.ts"
import { figureOf, interleaved } from "./rounds.ts"

const ACTORS = 64
const BALLS_EACH = 8
const MESSAGES = 100_000
const LATENCY_CYCLES = 100

interface Ball extends Body {
  readonly kind: "Ball"
  readonly hops: number
  readonly owner: number
}

/** A step of 7 is prime to 64: the ring visits everybody. */
function neighbour(index: number): number {
  return (index + 7) % ACTORS
}

class Player implements Machine<Ball, Ball> {
  readonly #index: number
  readonly #next: ActorId
  readonly #first: readonly Effect<Ball>[]

  constructor(index: number, options: { readonly next: ActorId; readonly traced: boolean }) {
    this.#index = index
    this.#next = options.next
    const balls = Array.from({ length: BALLS_EACH }, () => send<Ball>(this.#next, { kind: "Ball", hops: 0, owner: this.#index }))
    this.#first = options.traced ? [noteSpan("bench.throw"), ...balls] : balls
  }

  start(): readonly Effect<Ball>[] {
    return this.#first
  }

  step(_now: number, input: Input<Ball>): readonly Effect<Ball>[] {
    if (input.kind !== "message") return []
    return [send<Ball>(this.#next, { kind: "Ball", hops: input.body.hops + 1, owner: input.body.owner })]
  }
}

/** Messages per second of our world. */
function worldRound(options: Partial<WorldOptions>): number {
  const world = new World({ seed: 1, latency: LATENCY_CYCLES, ...options })
  const ids = Array.from({ length: ACTORS }, (_, index) => actorId(`player.${index}`))
  const traced = options.spans !== undefined
  ids.forEach((id, index) => world.add(id, () => new Player(index, { next: ids[neighbour(index)] ?? id, traced })))
  const started = performance.now()
  world.run({ stop: () => world.steps >= MESSAGES })
  const seconds = (performance.now() - started) / 1000
  assert(world.counts.delivered === MESSAGES, "every message of the round is delivered")
  return MESSAGES / seconds
}

interface Flight {
  readonly at: number
  readonly order: number
  readonly to: number
  readonly ball: Ball
}

/** Messages per second of the bare loop. */
function bareRound(): number {
  const flights = new PriorityQueue<Flight>((a, b) => a.at - b.at || a.order - b.order)
  let order = 0
  let delivered = 0
  const players = Array.from({ length: ACTORS }, (_, index) => (now: number, ball: Ball) => {
    const next: Ball = { kind: "Ball", hops: ball.hops + 1, owner: ball.owner }
    flights.push({ at: now + LATENCY_CYCLES, order: order++, to: neighbour(index), ball: next })
  })
  const started = performance.now()
  for (let owner = 0; owner < ACTORS; owner++) {
    for (let ball = 0; ball < BALLS_EACH; ball++) {
      flights.push({ at: LATENCY_CYCLES, order: order++, to: neighbour(owner), ball: { kind: "Ball", hops: 0, owner } })
    }
  }
  while (delivered < MESSAGES) {
    const flight = flights.pop()
    assert(flight !== undefined, "the balls never stop")
    delivered++
    players[flight.to]?.(flight.at, flight.ball)
  }
  return MESSAGES / ((performance.now() - started) / 1000)
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const rounds = await interleaved(
    {
      world: () => worldRound({}),
      bare: bareRound,
      unfingerprinted: () => worldRound({ fingerprint: "off" }),
      traced: () => worldRound({ spans: new SpanRecorder({ spansMax: MESSAGES * 2 }) }),
    },
    options,
  )
  const figure = (name: string, ours: readonly number[]): Figure =>
    figureOf(
      { name, unit: "messages/s", better: "higher" },
      { ours, baseline: rounds.bare, baselineName: "bare priority-queue event loop" },
    )
  return [
    figure("messages_per_second", rounds.world),
    figure("messages_per_second_without_fingerprint", rounds.unfingerprinted),
    figure("messages_per_second_traced", rounds.traced),
  ]
}

export const bench: Bench = {
  name: "sim",
  summary: "messages per second of the simulated world on one core, against a bare event loop",
  run,
}
