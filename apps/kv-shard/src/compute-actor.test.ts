/** The worker beside a replica, with real threads: results, and every way in which a job may be more than it may be. */
import { afterEach, describe, expect, it } from "vitest"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { KvCompute, KvComputed } from "@backplane/kv-contract/compute-messages"
import type { KeyValues } from "@backplane/kv-replica/computer"
import { ComputeActor } from "./compute-actor.ts"

const REPLICA = actorId("replica.0")
const TRIES_MAX = 4_000
const WORK = { kind: "KvCompute", job: "j1", map: "count", reduce: "sum", milliseconds: 5_000, megabytes: 64 } as const

type Entries = readonly KeyValues[]
type Job = Partial<KvCompute> & { readonly entries?: Entries }

/** What the replica has, by partition. */
let kept: Entries[] = []
const newActor = (): ComputeActor => new ComputeActor(({ partition }) => kept[partition] ?? null)
let actor = newActor()
afterEach(() => {
  // Threads that nobody needs, and the one that stands ready, end when the actor looks long after their last work.
  actor.step(virtualTime(Number.MAX_SAFE_INTEGER), { kind: "timer", key: "look" })
  actor = newActor()
  kept = []
})

/** Hands jobs over and looks, as its host would, until all jobs are answered. */
async function computed(given: readonly Job[], jobs = 1): Promise<readonly KvComputed[]> {
  const answers: KvComputed[] = []
  const began = performance.now()
  const now = (): ReturnType<typeof virtualTime> => virtualTime(1_000_000 + Math.floor((performance.now() - began) * 1000))
  const hear = (effects: ReturnType<ComputeActor["step"]>): void => {
    for (const effect of effects) if (effect.kind === "send") answers.push(effect.body)
  }
  for (const { entries = [], ...job } of given) {
    const source = { bucket: "b", partition: kept.push(entries) - 1, prefix: "" }
    hear(actor.step(now(), { kind: "message", from: REPLICA, body: { ...WORK, source, partials: [], ...job } }))
  }
  for (let tries = 0; tries < TRIES_MAX && answers.length < jobs; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    hear(actor.step(now(), { kind: "timer", key: "look" }))
  }
  return answers
}

describe("the worker beside a replica", () => {
  it("maps and reduces the keys that the replica has, and results of others", async () => {
    const entries: Entries = [
      ["a", ["1"]],
      ["b", ["2", "3"]],
      ["c", ["4"]],
    ]
    expect(await computed([{ entries }])).toEqual([{ kind: "KvComputed", job: "j1", result: 3, keys: 3 }])
    expect(await computed([{ source: null, partials: [10, 3] }])).toEqual([{ kind: "KvComputed", job: "j1", result: 13, keys: 0 }])
  })

  it("functions by name come to the same here and in a thread", async () => {
    const entries: Entries = [
      ["a", ["12"]],
      ["b", ["5", "6"]],
      ["c", ["none"]],
    ]
    for (const [map, reduce, text] of [
      ["count", "sum", "() => 1"],
      ["bytes", "max", "(key, values) => values.join('').length"],
      ["number", "min", "(key, values) => Number(values[0])"],
    ] as const) {
      const [here] = await computed([{ map, reduce, entries }])
      const [there] = await computed([{ map: text, reduce, entries }])
      expect(here, `${map} ${reduce}`).toEqual(there)
    }
    // Only what is ours is taken for it, whatever every object has by that name.
    expect(await computed([{ map: "isPrototypeOf", entries: [["a", ["1"]]] }])).toMatchObject([{ result: false }])
  })

  it("more than one message holds comes to the same", async () => {
    const entries: Entries = Array.from({ length: 5 }, (_, index) => [`k${index}`, ["v".repeat(900_000), "w"]])
    expect(await computed([{ map: "(key, values) => values.join('').length", entries }])).toMatchObject([{ result: 5 * 900_001, keys: 5 }])
  })

  it("a partition that the replica does not vouch for is refused", async () => {
    const source = { bucket: "b", partition: 9, prefix: "" }
    expect((await computed([{ source }]))[0]?.error).toContain("ask again")
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

  it.each(["() => '{'", "() => ({})", "() => { throw 1 }"])(
    "functions that put %s in the place of JSON.stringify change their own result alone",
    async (bad) => {
      const map = `(key, values) => { JSON.stringify = ${bad}; JSON.parse = ${bad}; return values.length }`
      expect(await computed([{ map, partials: [4], entries: [["a", ["1", "2"]]] }])).toMatchObject([{ result: 6, keys: 1 }])
    },
  )

  it("a result that no JSON can hold is told as such", async () => {
    const map = "() => ({ toJSON: () => 1n })"
    expect((await computed([{ map, entries: [["a", ["1"]]] }]))[0]?.error).toContain("BigInt")
  })

  it("jobs of the same functions share a thread and are each answered", async () => {
    const jobs = ["j1", "j2", "j3", "j4", "j5"].map((job) => ({ job, entries: [[job, ["1"]]] as Entries }))
    expect((await computed(jobs, 5)).map(({ job, result }) => [job, result])).toEqual([
      ["j1", 1],
      ["j2", 1],
      ["j3", 1],
      ["j4", 1],
      ["j5", 1],
    ])
  })

  it("what throws, what is no function and what runs for ever is told so, and the next job is done", async () => {
    const entries: Entries = [["a", ["1"]]]
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
