/** The one law of lock-step: every actor handles what it handles in the simulation, in the same order, at the same time. */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { after } from "@backplane/foundation-actor/virtual-time"
import { Random } from "@backplane/foundation-base/random"
import { World } from "@backplane/foundation-simulation/world"
import fc from "fast-check"
import { isDeepStrictEqual } from "node:util"
import { describe, expect, it } from "vitest"
import { RandomActor } from "./testing/random-actor.ts"
import { ShuffledRun, type ShuffledRunOptions } from "./testing/shuffled-run.ts"

interface Network {
  readonly seed: number
  readonly actorCount: number
  readonly portCount: number
  readonly latencyCycles: number
  readonly persistLatencyCycles: number
  readonly horizon: number
}

const network = fc.record<Network>({
  seed: fc.nat(1_000_000),
  actorCount: fc.integer({ min: 1, max: 8 }),
  portCount: fc.integer({ min: 1, max: 4 }),
  latencyCycles: fc.integer({ min: 1, max: 50 }),
  persistLatencyCycles: fc.integer({ min: 0, max: 100 }),
  horizon: fc.integer({ min: 6, max: 400 }),
})

function idsOf({ actorCount }: Network): ActorId[] {
  return Array.from({ length: actorCount }, (_, index) => actorId(`${["node", "scheduler", "memory"][index % 3]}.${index}`))
}

function actorsOf(net: Network): Map<ActorId, RandomActor> {
  const ids = idsOf(net)
  const peers = [...ids, actorId("nobody.0")]
  return new Map(ids.map((id) => [id, new RandomActor({ seed: String(net.seed), id, peers, effectsMax: 60, horizon: net.horizon })]))
}

/** The oracle: the simulation's exact mode. */
function simulated(net: Network): Record<string, string[]> {
  const { seed, latencyCycles, persistLatencyCycles } = net
  const world = new World({ seed, latency: latencyCycles, persistLatency: persistLatencyCycles, fingerprint: "off" })
  const actors = actorsOf(net)
  for (const [id, actor] of actors) world.add(id, () => actor)
  world.run()
  return logsOf(actors)
}

function logsOf(actors: ReadonlyMap<ActorId, RandomActor>): Record<string, string[]> {
  return Object.fromEntries([...actors].map(([id, { log }]) => [id, log]))
}

/** Actors dealt out to ports by chance. */
function prepared(net: Network, faults: Partial<ShuffledRunOptions> = {}): { run: ShuffledRun; actors: Map<ActorId, RandomActor> } {
  const { seed, latencyCycles, persistLatencyCycles, portCount } = net
  const actors = actorsOf(net)
  const run = new ShuffledRun({ seed, latencyCycles, persistLatencyCycles, actors: [...actors.keys()], ...faults })
  const deal = new Random(`deal/${seed}`)
  const hands = Array.from({ length: portCount }, () => [] as { id: ActorId; machine: RandomActor }[])
  for (const [id, machine] of actors) hands[deal.below(portCount)]?.push({ id, machine })
  hands.forEach((hand, index) => {
    if (hand.length > 0) run.addProcess(`p${index}`, "first", hand)
  })
  return { run, actors }
}

function lockstep(net: Network, faults: Partial<ShuffledRunOptions> & { turnsMax?: number } = {}): Record<string, string[]> {
  const { run, actors } = prepared(net, faults)
  run.runUntilIdle(faults.turnsMax)
  return logsOf(actors)
}

describe("lock-step", () => {
  it("gives every actor the inputs of the simulation, whatever the process layout and the order of delivery", () => {
    fc.assert(
      fc.property(network, (net) => {
        expect(lockstep(net)).toEqual(simulated(net))
      }),
      { numRuns: 250 },
    )
  })

  it("gives the same when frames are lost and doubled", () => {
    fc.assert(
      fc.property(network, (net) => {
        expect(lockstep(net, { loss: 0.1, copies: 0.1 })).toEqual(simulated(net))
      }),
      { numRuns: 120 },
    )
  })

  const PLANTED: readonly (readonly [string, Partial<ShuffledRunOptions>])[] = [
    ["a spoilt message", { spoil: (message) => (message.sequence % 2 ** 32 === 3 ? { ...message, body: { kind: "Spoilt" } } : message) }],
    ["a message a cycle late", { spoil: (message) => ({ ...message, at: after(message.at, 1) }) }],
    ["a clock that does not say what to wait for", { spoilGrant: (grant) => ({ ...grant, expect: [] }) }],
    [
      "a clock that grants a cycle too much",
      { spoilGrant: (grant) => ({ ...grant, until: grant.until === null ? null : after(grant.until, grant.until === 0 ? 0 : 1) }) },
    ],
    ["a clock that grants without a bound", { spoilGrant: (grant) => ({ ...grant, until: grant.roster === null ? null : grant.until }) }],
    ["a clock that takes the latency for longer than it is", { clockLatencyCycles: 14 }],
  ]
  for (const [bug, faults] of PLANTED) {
    it(`notices ${bug}`, () => {
      const caught = Array.from({ length: 30 }, (_, seed) => {
        const net: Network = { seed, actorCount: 6, portCount: 3, latencyCycles: 10, persistLatencyCycles: 20, horizon: 40 }
        try {
          return !isDeepStrictEqual(lockstep(net, { ...faults, turnsMax: 20_000 }), simulated(net))
        } catch {
          return true // it no longer ends, or an assertion saw it first
        }
      })
      expect(caught).toContain(true)
    })
  }

  it("a machine in one process needs a grant or two, not one a message", () => {
    const net: Network = { seed: 3, actorCount: 6, portCount: 1, latencyCycles: 5, persistLatencyCycles: 5, horizon: 50 }
    const { run } = prepared(net)
    run.runUntilIdle()
    // One for the roster; more only where the harness cuts a grant short.
    expect(run.status().grants).toBeLessThan(12)
  })

  it("a port that dies is lost, and the others go on; a new life joins at the current time", () => {
    fc.assert(
      fc.property(network, fc.integer({ min: 0, max: 400 }), (given, turns) => {
        const net = { ...given, actorCount: 6, portCount: 3 }
        const { run, actors } = prepared(net, { loss: 0.02 })
        run.run(turns)
        const [victim, process] = [...run.processes][0] as [ActorId, { hosted: Set<ActorId> }]
        const name = victim.slice("port-".length, -".0".length)
        run.kill(name)
        run.run(50)
        const reborn = [...process.hosted].map((id) => ({
          id,
          machine: new RandomActor({ seed: "reborn", id, peers: [...actors.keys()], effectsMax: 40, horizon: net.horizon }),
        }))
        run.addProcess(name, "second", reborn)
        run.runUntilIdle()
        for (const { machine } of reborn) {
          expect(machine.log[0]).toMatch(/ start$/)
          expectRising(machine.log)
        }
        for (const { log } of actors.values()) expectRising(log)
      }),
      { numRuns: 100 },
    )
  })

  it("a restarted clock gathers the machine again and goes on from where it was", () => {
    fc.assert(
      fc.property(network, fc.integer({ min: 0, max: 300 }), (given, turns) => {
        const net = { ...given, actorCount: 6, portCount: 3 }
        const { run, actors } = prepared(net)
        run.run(turns)
        Object.assign(run, { clock: run.newClock(2) })
        run.runUntilIdle()
        for (const { log } of actors.values()) {
          expect(log.filter((line) => line.endsWith(" start")).length).toBe(1)
          expectRising(log)
        }
      }),
      { numRuns: 60 },
    )
  })

  it("a message from outside is handled when nobody is ahead of it, and wakes an idle machine", () => {
    const net: Network = { seed: 11, actorCount: 4, portCount: 2, latencyCycles: 10, persistLatencyCycles: 0, horizon: 30 }
    const { run, actors } = prepared(net)
    run.runUntilIdle()
    const before = run.status().time
    const [first] = actors.keys()
    run.inject(actorId("operator.0"), first as ActorId, { kind: "Hello" })
    run.runUntilIdle()
    const last = actors.get(first as ActorId)?.log.find((line) => line.includes("operator.0"))
    expect(Number(last?.split(" ")[0])).toBe(before)
  })
})

function expectRising(log: readonly string[]): void {
  const times = log.map((line) => Number(line.split(" ")[0]))
  expect(times).toEqual(times.toSorted((a, b) => a - b))
}
