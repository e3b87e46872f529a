/** The worker beside a replica, with real threads: results, and every way in which a job may be more than it may be. */
import { afterEach, describe, expect, it } from "vitest"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { KvCompute, KvComputed } from "@backplane/kv-contract/compute-messages"
import { ComputeActor } from "./compute-actor.ts"

const REPLICA = actorId("replica.0")
const TRIES_MAX = 4_000
const WORK = { kind: "KvCompute", job: "j1", map: "count", reduce: "sum", milliseconds: 5_000, megabytes: 64 } as const

let actor = new ComputeActor()
afterEach(() => {
  // Threads that nobody needs end when the actor looks long after their last work.
  actor.step(virtualTime(Number.MAX_SAFE_INTEGER), { kind: "timer", key: "look" })
  actor = new ComputeActor()
})

/** Hands batches over and looks, as its host would, until all jobs are answered. */
async function computed(batches: readonly Partial<KvCompute>[], jobs = 1): Promise<readonly KvComputed[]> {
  const answers: KvComputed[] = []
  const began = performance.now()
  const now = (): ReturnType<typeof virtualTime> => virtualTime(1_000_000 + Math.floor((performance.now() - began) * 1000))
  const hear = (effects: ReturnType<ComputeActor["step"]>): void => {
    for (const effect of effects) if (effect.kind === "send") answers.push(effect.body)
  }
  for (const batch of batches)
    hear(actor.step(now(), { kind: "message", from: REPLICA, body: { ...WORK, entries: [], partials: [], last: true, ...batch } }))
  for (let tries = 0; tries < TRIES_MAX && answers.length < jobs; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    hear(actor.step(now(), { kind: "timer", key: "look" }))
  }
  return answers
}

describe("the worker beside a replica", () => {
  it("maps and reduces what comes in several messages, and results of others", async () => {
    const entries: [string, string[]][] = [
      ["a", ["1"]],
      ["b", ["2", "3"]],
    ]
    const [answer] = await computed([
      { entries, last: false },
      { entries: [["c", ["4"]]], partials: [10], last: true },
    ])
    expect(answer).toEqual({ kind: "KvComputed", job: "j1", result: 13 })
  })

  it("a key that the map answers with undefined is left out; no key at all is null", async () => {
    const map = "(key) => (key === 'b' ? 5 : undefined)"
    expect(
      await computed([
        {
          map,
          entries: [
            ["a", ["1"]],
            ["b", ["1"]],
          ],
        },
      ]),
    ).toMatchObject([{ result: 5 }])
    expect(await computed([{ job: "j2", map }])).toMatchObject([{ job: "j2", result: null }])
  })

  it("jobs of the same functions share a thread and are each answered", async () => {
    const jobs = ["j1", "j2", "j3"].map((job) => ({ job, entries: [[job, ["1"]]] as [string, string[]][] }))
    expect((await computed(jobs, 3)).map(({ job, result }) => [job, result])).toEqual([
      ["j1", 1],
      ["j2", 1],
      ["j3", 1],
    ])
  })

  it("what throws, what is no function and what runs for ever is told so, and the next job is done", async () => {
    const entries: [string, string[]][] = [["a", ["1"]]]
    expect(await computed([{ map: "() => { throw new Error('no such luck') }", entries }])).toMatchObject([
      { error: "Error: no such luck" },
    ])
    expect((await computed([{ map: "this is no function", entries }]))[0]?.error).toContain("SyntaxError")
    expect((await computed([{ map: "() => { for (;;); }", milliseconds: 50, entries }]))[0]?.error).toContain("not done after 50 ms")
    expect(await computed([{ entries }])).toMatchObject([{ result: 1 }])
  })

  it("a job that needs more memory than it may have ends with its thread", async () => {
    const map = "() => { const all = []; for (;;) all.push(new Array(100000).fill(all.length)) }"
    const [answer] = await computed([{ map, megabytes: 16, milliseconds: 30_000, entries: [["a", ["1"]]] }])
    expect(answer?.error).toMatch(/memory/i)
  })

  it("functions reach nothing of the process", async () => {
    const map = "() => typeof process + typeof require + typeof fetch + typeof globalThis.constructor.constructor('return this')().process"
    expect(await computed([{ map, entries: [["a", ["1"]]] }])).toMatchObject([{ result: "undefinedundefinedundefinedundefined" }])
  })
})
