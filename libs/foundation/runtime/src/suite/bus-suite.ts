/**
 * The laws that every bus keeps: NATS, local and simulated alike (`Bus` in foundation/actor).
 *
 * A bus comes as a `BusWorld`: two ends, which may be the same object, and a way to wait until all is delivered. A law
 * that a bus cannot keep is left out by name, with the reason.
 */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Bus } from "@backplane/foundation-actor/bus"
import type { Envelope } from "@backplane/foundation-actor/envelope"
import type { Body } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

export interface BusWorld {
  readonly left: Bus
  readonly right: Bus
  /** Resolves when everything published so far is delivered or dropped. */
  settle(): Promise<void>
  /** Sends bytes that are no message of ours; null where the bus has no bytes. */
  readonly inject: ((machine: string, to: ActorId, from: ActorId, bytes: Uint8Array) => void) | null
  /** Messages of both ends that were dropped and counted as `problem`. */
  problems(problem: "malformed" | "rejected" | "oversize" | "dropped"): number
  /** Largest body; null where any goes. */
  readonly payloadBytesMax: number | null
  close(): Promise<void>
}

export type BusLaw =
  | "order"
  | "addressing"
  | "self-send"
  | "unsubscribe"
  | "nobody"
  | "no delivery inside publish"
  | "carried"
  | "unicode"
  | "large"
  | "raw bytes"
  | "oversize"
  | "not JSON"
  | "burst"
  | "malformed"

const LEFT = actorId("node.0")
const RIGHT = actorId("scheduler.cpu-1")
const THIRD = actorId("scheduler.cpu-10")
const BURST = 2000

interface Numbered extends Body {
  readonly kind: "Numbered"
  readonly number: number
}

function numbered(number: number): Numbered {
  return { kind: "Numbered", number }
}

function numbersOf(heard: readonly Envelope[]): number[] {
  return heard.map((each) => (each.body as Numbered).number)
}

/** What a law works with: the world and two short words. */
interface Trial {
  readonly world: BusWorld
  readonly listen: (bus: Bus, actor: ActorId, machine?: string) => Envelope[]
  readonly say: (body: Body, options?: Partial<Envelope>) => void
  /** The receivers say a word first: a bus may send batches only to who is known to read them. */
  readonly meet: () => Promise<void>
}

interface BusLawCheck {
  readonly law: BusLaw
  readonly title: string
  readonly check: (trial: Trial) => Promise<void>
}

function trialOf(world: BusWorld): Trial {
  return {
    world,
    listen: (bus, actor, machine = "m") => {
      const heard: Envelope[] = []
      bus.subscribe(machine, actor, (envelope) => heard.push(envelope))
      return heard
    },
    say: (body, options = {}) => world.left.publish({ machine: "m", from: LEFT, to: RIGHT, body, ...options }),
    meet: async () => {
      const leave = world.left.subscribe("m", LEFT, () => undefined)
      await world.settle()
      for (const from of [RIGHT, THIRD]) world.right.publish({ machine: "m", from, to: LEFT, body: { kind: "Here" } })
      await world.settle()
      leave()
    },
  }
}

/** The laws that this world breaks: for tests that plant bugs. */
export async function brokenBusLaws(make: () => Promise<BusWorld>): Promise<BusLaw[]> {
  const broken: BusLaw[] = []
  for (const { law, check } of BUS_LAWS) {
    const world = await make()
    await check(trialOf(world)).catch(() => broken.push(law))
    await world.close()
  }
  return broken
}

export function busSuite(
  name: string,
  make: () => Promise<BusWorld>,
  skipped: readonly { readonly law: BusLaw; readonly why: string }[] = [],
): void {
  describe(`laws of a bus: ${name}`, () => {
    let world: BusWorld
    beforeEach(async () => {
      world = await make()
    })
    afterEach(() => world.close())
    for (const { law, title, check } of BUS_LAWS) {
      const skip = skipped.find((each) => each.law === law)
      if (skip === undefined) it(title, () => check(trialOf(world)))
      else it.skip(`${title} (not here: ${skip.why})`, () => check(trialOf(world)))
    }
  })
}

const BUS_LAWS: readonly BusLawCheck[] = [
  {
    law: "order",
    title: "what one actor says to another arrives once and in order, whatever the turn it was said in",
    check: async ({ world, listen, say }) => {
      const heard = listen(world.right, RIGHT)
      await world.settle()
      for (let number = 0; number < 30; number++) {
        say(numbered(number))
        if (number % 7 === 0) await world.settle()
      }
      await world.settle()
      expect(numbersOf(heard)).toEqual(Array.from({ length: 30 }, (_, number) => number))
      expect(heard.every((each) => each.from === LEFT && each.to === RIGHT && each.machine === "m")).toBe(true)
    },
  },

  {
    law: "addressing",
    title: "no other actor and no other machine hears it",
    check: async ({ world, listen, say }) => {
      const right = listen(world.right, RIGHT)
      const third = listen(world.right, THIRD)
      const otherMachine = listen(world.right, RIGHT, "m2")
      await world.settle()
      say(numbered(1))
      say(numbered(2), { to: THIRD })
      say(numbered(3), { machine: "m2" })
      await world.settle()
      expect([numbersOf(right), numbersOf(third), numbersOf(otherMachine)]).toEqual([[1], [2], [3]])
    },
  },

  {
    law: "self-send",
    title: "an actor can send to itself",
    check: async ({ world, listen, say }) => {
      const heard = listen(world.left, LEFT)
      await world.settle()
      say(numbered(1), { to: LEFT })
      await world.settle()
      expect(numbersOf(heard)).toEqual([1])
    },
  },

  {
    law: "unsubscribe",
    title: "after unsubscribing nothing more is delivered, even of what is on its way",
    check: async ({ world, listen, say }) => {
      const heard: Envelope[] = []
      const leave = world.right.subscribe("m", RIGHT, (envelope) => {
        heard.push(envelope)
        leave()
      })
      await world.settle()
      for (let number = 0; number < 5; number++) say(numbered(number))
      await world.settle()
      expect(numbersOf(heard)).toEqual([0])
      const again = listen(world.right, RIGHT)
      await world.settle()
      say(numbered(9))
      await world.settle()
      expect([numbersOf(heard), numbersOf(again)]).toEqual([[0], [9]])
    },
  },

  {
    law: "nobody",
    title: "publishing to nobody neither throws nor hurts what follows",
    check: async ({ world, listen, say }) => {
      expect(() => say(numbered(1), { to: actorId("nobody.0") })).not.toThrow()
      const heard = listen(world.right, RIGHT)
      await world.settle()
      say(numbered(2))
      await world.settle()
      expect(numbersOf(heard)).toEqual([2])
    },
  },

  {
    law: "no delivery inside publish",
    title: "publish returns before the message is delivered",
    check: async ({ world, listen, say }) => {
      const heard = listen(world.left, LEFT)
      await world.settle()
      say(numbered(1), { to: LEFT })
      expect(heard).toEqual([])
      await world.settle()
      expect(heard.length).toBe(1)
    },
  },

  {
    law: "carried",
    title: "trace context and stamp survive, alone and in a batch; a message without them has none",
    check: async ({ world, listen, say, meet }) => {
      const trace = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled: true }
      const stamp = { at: virtualTime(123_456_789_012), sequence: 42 }
      const variants: Partial<Envelope>[] = [{ trace, stamp }, { trace: { ...trace, sampled: false } }, { stamp }, {}]
      const heard = listen(world.right, RIGHT)
      await meet()
      for (const each of variants) {
        say(numbered(0), each)
        await world.settle()
      }
      for (const each of variants) say(numbered(1), each)
      await world.settle()
      expect(heard.map(({ trace: t, stamp: s }) => ({ ...(t && { trace: t }), ...(s && { stamp: s }) }))).toEqual([
        ...variants,
        ...variants,
      ])
    },
  },

  {
    law: "unicode",
    title: "JSON survives unchanged: unicode, nesting, empty things, numbers",
    check: async ({ world, listen, say, meet }) => {
      const body = {
        kind: "Any",
        text: 'snow ☃ \u{1f680} \u0000 "\\\n ä',
        nested: [[], {}, null, true, -0.5, 1e300, { é: ["ß"] }],
        empty: "",
      }
      const heard = listen(world.right, RIGHT)
      await meet()
      say(body)
      await world.settle()
      say(body)
      say(body)
      await world.settle()
      expect(heard.map((each) => each.body)).toEqual([body, body, body])
    },
  },

  {
    law: "large",
    title: "large bodies arrive whole and in order with small ones",
    check: async ({ world, listen, say, meet }) => {
      const half = world.payloadBytesMax === null ? 500_000 : Math.floor(world.payloadBytesMax / 2)
      const heard = listen(world.right, RIGHT)
      await meet()
      say(numbered(0))
      say({ kind: "Large", data: "é".repeat(Math.floor(half / 2)) } as Body)
      say(numbered(1))
      say({ kind: "Large", data: "x".repeat(half) } as Body)
      say({ kind: "Large", data: "y".repeat(half) } as Body)
      say(numbered(2))
      await world.settle()
      expect(heard.map((each) => each.body.kind)).toEqual(["Numbered", "Large", "Numbered", "Large", "Large", "Numbered"])
      expect((heard[4]?.body as Body & { data: string }).data).toBe("y".repeat(half))
    },
  },

  {
    law: "raw bytes",
    title: "a body's bytes arrive as they were, raw or as base64, alone and among others, from who was never heard and from who was",
    check: async ({ world, listen, say, meet }) => {
      const bytes = Uint8Array.from({ length: 4096 }, (_, index) => (index * 7) & 0xff)
      const heard = listen(world.right, RIGHT)
      await world.settle()
      const body = (number: number): Body => ({ ...numbered(number), bytes }) as Body
      say(body(1))
      await world.settle()
      await meet()
      say(body(2))
      await world.settle()
      for (let number = 3; number < 6; number++) say(number === 4 ? numbered(number) : body(number))
      await world.settle()
      expect(numbersOf(heard)).toEqual([1, 2, 3, 4, 5])
      for (const { body: each } of heard) {
        const got: unknown = "bytes" in each ? each.bytes : null
        if ((each as Numbered).number === 4) expect(got).toBeNull()
        else expect(Buffer.compare(got instanceof Uint8Array ? got : Buffer.from(String(got), "base64"), bytes)).toBe(0)
      }
    },
  },

  {
    law: "oversize",
    title: "a body that the bus cannot carry is refused and counted, and the next goes through",
    check: async ({ world, listen, say }) => {
      const heard = listen(world.right, RIGHT)
      await world.settle()
      say({ kind: "Large", data: "x".repeat((world.payloadBytesMax ?? 0) + 1) } as Body)
      say(numbered(1))
      await world.settle()
      expect(numbersOf(heard)).toEqual([1])
      expect(world.problems("oversize")).toBe(1)
    },
  },

  {
    law: "not JSON",
    title: "a raw bigint is refused and counted, never sent",
    check: async ({ world, listen, say }) => {
      const heard = listen(world.right, RIGHT)
      await world.settle()
      say({ kind: "Raw", address: 5n } as Body)
      say(numbered(1))
      await world.settle()
      expect(numbersOf(heard)).toEqual([1])
      expect(world.problems("oversize")).toBe(1)
    },
  },

  {
    law: "burst",
    title: "a burst keeps its order through batching, to several receivers at once",
    check: async ({ world, listen, say, meet }) => {
      const right = listen(world.right, RIGHT)
      const third = listen(world.right, THIRD)
      await meet()
      for (let number = 0; number < BURST; number++) say(numbered(number), { to: number % 2 === 0 ? RIGHT : THIRD })
      await world.settle()
      expect(numbersOf(right)).toEqual(Array.from({ length: BURST / 2 }, (_, index) => 2 * index))
      expect(numbersOf(third)).toEqual(Array.from({ length: BURST / 2 }, (_, index) => 2 * index + 1))
    },
  },

  {
    law: "malformed",
    title: "what is no message is counted and dropped; the next goes through",
    check: async ({ world, listen, say }) => {
      const heard = listen(world.right, RIGHT)
      await world.settle()
      const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
      const garbage = [
        bytes("{"),
        bytes(""),
        Uint8Array.of(0xb1, 255, 255, 255, 255),
        Uint8Array.of(0xb1, 2, 0, 0, 0, 0, 0, 0x5b, 0x5d),
        Uint8Array.of(0xff, 0xfe),
      ]
      for (const each of garbage) world.inject?.("m", RIGHT, LEFT, each)
      world.inject?.("m", RIGHT, LEFT, bytes("[1]"))
      world.inject?.("m", RIGHT, LEFT, bytes('{"kind":7}'))
      say(numbered(1))
      await world.settle()
      expect(numbersOf(heard)).toEqual([1])
      expect([world.problems("malformed"), world.problems("rejected")]).toEqual([garbage.length, 2])
    },
  },
]
