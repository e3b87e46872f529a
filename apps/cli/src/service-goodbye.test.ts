/** Orderly ends of scheduler services on a stack that is a list of machines and of services: who schedules what afterwards. */
import type { Json } from "@backplane/foundation-base/json"
import { describe, expect, it } from "vitest"
import { CommandFailure } from "./failure.ts"
import { ServiceGoodbye, type GoodbyeStack } from "./service-goodbye.ts"

/** One machine, `demo`, made with mqms; every step takes a turn, so that two goodbyes are mixed. */
class Stack implements GoodbyeStack {
  seats: readonly string[] = ["mqms"]
  isFallback = false
  readonly services = new Map<string, { leaving: boolean }>()
  /** Turns that a swap needs until it is in force. */
  swapTurns = 1

  async office({ op, service }: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, Json>>> {
    await turns(1)
    const found = this.services.get(String(service))
    if (op === "leave" && found !== undefined) found.leaving = true
    if (op === "services") return { services: [...this.services].map(([name, { leaving }]) => ({ name, leaving })) }
    return { machines: [{ machine: "demo", policy: "mqms" }] }
  }

  async inspect(): Promise<Json> {
    await turns(1)
    return { seats: this.seats.map((policy) => ({ policy })), fallback: this.isFallback }
  }

  async takeOver(_machine: string, policy: string): Promise<void> {
    await turns(1)
    const isOurs = policy === "mqms" || policy === "rr" || policy === "fallback"
    if (!isOurs && this.services.get(policy)?.leaving !== false) throw new CommandFailure("refused", `there is no ${policy}`)
    await turns(this.swapTurns)
    this.isFallback = policy === "fallback"
    if (!this.isFallback) this.seats = [policy]
  }

  attach(name: string): { readonly goodbye: ServiceGoodbye; readonly end: () => Promise<void> } {
    this.services.set(name, { leaving: false })
    const goodbye = new ServiceGoodbye(this, name)
    const end = async (): Promise<void> => {
      await goodbye.say()
      this.services.delete(name)
    }
    return { goodbye, end }
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve()
}

/** mqms, then `a`, then `b`, which both have seen all of it. */
async function oneAfterTheOther(): Promise<{ stack: Stack; a: ReturnType<Stack["attach"]>; b: ReturnType<Stack["attach"]> }> {
  const stack = new Stack()
  const [a, b] = [stack.attach("a"), stack.attach("b")]
  const noted = async (): Promise<void> => {
    for (const { goodbye } of [a, b]) await goodbye.note()
  }
  await noted()
  for (const policy of ["a", "b"]) {
    await stack.takeOver("demo", policy)
    await noted()
  }
  return { stack, a, b }
}

describe("a scheduler service that ends", () => {
  it("gives the machine to who had it before, also to another service", async () => {
    const { stack, b } = await oneAfterTheOther()
    await b.end()
    expect(stack.seats).toEqual(["a"])
  })

  it("gives it to the one before that where the other has ended", async () => {
    const { stack, a, b } = await oneAfterTheOther()
    await a.end()
    await b.end()
    expect([stack.seats, stack.isFallback]).toEqual([["mqms"], false])
  })

  it("gives it to the policy with which the machine was made where it saw nobody before itself", async () => {
    const stack = new Stack()
    const only = stack.attach("a")
    await stack.takeOver("demo", "a")
    await only.end()
    expect([stack.seats, stack.isFallback]).toEqual([["mqms"], false])
  })

  it("leaves a machine of somebody else alone", async () => {
    const { stack, a } = await oneAfterTheOther()
    await a.end()
    expect(stack.seats).toEqual(["b"])
  })

  // Whoever is first, and however long a swap takes: nobody is left with a machine whose program has gone.
  it("in the same moment as the one before it leaves the machine to neither", async () => {
    for (const swapTurns of [1, 3, 7, 15, 40]) {
      for (let lead = -60; lead <= 60; lead++) {
        const { stack, a, b } = await oneAfterTheOther()
        stack.swapTurns = swapTurns
        const later = async (one: typeof a, by: number): Promise<void> => {
          await turns(Math.max(0, by))
          await one.end()
        }
        await Promise.all([later(a, lead), later(b, -lead)])
        expect([swapTurns, lead, stack.seats, stack.isFallback]).toEqual([swapTurns, lead, ["mqms"], false])
      }
    }
  })
})
