/** A question to an actor over a bus that loses, mixes up, and ends. */
import { actorId } from "@backplane/foundation-actor/actor-id"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { askActor, type Asking } from "./ask-actor.ts"

interface Question {
  readonly kind: string
  readonly request: string
}

/** `hears` what is said, and gives the answers that come then. */
function bus(hears: (question: Question, times: number) => readonly unknown[]) {
  const said: Question[] = []
  const subscribed = new Set<string>()
  let callback: (error: null, message: { readonly json: () => unknown }) => void = () => undefined
  const connection = {
    subscribe(subject: string, options: { readonly callback: typeof callback }) {
      subscribed.add(subject)
      callback = options.callback
      return { unsubscribe: () => subscribed.delete(subject) }
    },
    publish(subject: string, text: string) {
      expect(subject).toBe("bp.demo.hypervisor.0.operator.me")
      const question = JSON.parse(text) as Question
      said.push(question)
      for (const answer of hears(question, said.length)) callback(null, { json: () => answer })
    },
  } as unknown as Asking["connection"]
  const ends = { machine: "demo", from: actorId("operator.me"), to: actorId("hypervisor.0") }
  const ask = (): Promise<unknown> =>
    askActor({ connection, ...ends, repeatMilliseconds: 100, patienceMilliseconds: 350 }, { kind: "VmListAsk" })
  return { said, subscribed, ask }
}

describe("a question to an actor", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it("is said again, as the same request, until its own answer is there", async () => {
    const { said, subscribed, ask } = bus(({ request }, times) =>
      times < 3 ? [{ request: "another's" }] : [{ request: "another's" }, { request, vms: [] }],
    )
    const answer = ask()
    expect([...subscribed]).toEqual(["bp.demo.operator.me.hypervisor.0"])
    await vi.advanceTimersByTimeAsync(1000)
    expect(await answer).toEqual({ request: said[0]?.request, vms: [] })
    expect(said).toEqual([said[0], said[0], said[0]])
    expect(subscribed.size).toBe(0)
  })

  it("that nobody answers comes to nothing, and leaves nothing behind", async () => {
    const { said, subscribed, ask } = bus(() => [])
    const answer = ask()
    await vi.advanceTimersByTimeAsync(1000)
    expect([await answer, said.length, subscribed.size, vi.getTimerCount()]).toEqual([null, 4, 0, 0])
  })

  it("fails with the connection", async () => {
    const { ask } = bus((_, times) => {
      if (times === 2) throw new Error("closed")
      return []
    })
    const failure = expect(ask()).rejects.toThrow("closed")
    await vi.advanceTimersByTimeAsync(1000)
    await failure
    expect(vi.getTimerCount()).toBe(0)
  })
})
