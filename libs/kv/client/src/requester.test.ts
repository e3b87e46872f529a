import { describe, expect, it } from "vitest"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Effect } from "@backplane/foundation-actor/machine"
import type { KvAnswer, Operation } from "@backplane/kv-contract/client-messages"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import { BATCHES_MAX, IN_FLIGHT_MAX, KvRequester, OUTSTANDING_MAX, REQUESTER_TIMINGS } from "./requester.ts"

const MEMBERS = [0, 1, 2].map((index) => actorId(`replica.${index}`))
const at = virtualTime
const get = (key: string): Operation => ({ type: "get", bucket: "default", key })
const put: Operation = { type: "put", bucket: "default", key: "k", value: "v" }
const update: Operation = { type: "update", bucket: "counters", key: "k", operation: { op: "increment" } }

/** `receiver: sequence/attempt …` of each message. */
function said(effects: readonly Effect<KvMessage>[]): string[] {
  return effects.flatMap((effect) => {
    if (effect.kind !== "send" || effect.body.kind !== "KvAsk") return []
    return [`${effect.to}: ${effect.body.requests.map(({ sequence, attempt }) => `${sequence}/${attempt}`).join(" ")}`]
  })
}

const tell = (from: number, ...answers: KvAnswer[]) =>
  ({ kind: "message", from: MEMBERS[from] ?? actorId("replica.0"), body: { kind: "KvTell", answers } }) as const
const success = (sequence: number): KvAnswer => ({ sequence, ok: true, values: ["v"], context: {} })

function asker(): { requester: KvRequester; answers: string[]; ask: (now: number, operation: Operation) => void } {
  const requester = new KvRequester({ members: MEMBERS })
  const answers: string[] = []
  const ask = (now: number, operation: Operation): void => {
    requester.ask(at(now), { operation, done: (answer) => answers.push(answer.ok ? "ok" : answer.reason) })
  }
  return { requester, answers, ask }
}

describe("a requester of keys", () => {
  it("sends what was asked in one turn for one replica as one message; what comes while enough are under way leaves when one is answered", () => {
    const { requester, answers, ask } = asker()
    ask(0, put)
    ask(0, put)
    const [first = ""] = said(requester.settle(at(0)))
    const replica = Number(first[8])
    const to = first.slice(0, 9)
    expect(first).toMatch(/: 1\/0 2\/0$/)
    for (let batch = 2; batch <= BATCHES_MAX; batch++) {
      ask(10 + batch, put)
      expect(said(requester.settle(at(10 + batch)))).toEqual([`${to}: ${batch + 1}/0`])
    }
    ask(20, put)
    ask(21, put)
    expect(said(requester.settle(at(21)))).toEqual([])
    requester.step(at(22), tell(replica, success(1)))
    expect(said(requester.settle(at(22)))).toEqual([])
    requester.step(at(23), tell(replica, success(2)))
    expect(said(requester.settle(at(23)))).toEqual([`${to}: ${BATCHES_MAX + 2}/0 ${BATCHES_MAX + 3}/0`])
    expect(answers).toEqual(["ok", "ok"])
  })

  it("a favourite is asked for all that it holds, the next member when it does not answer", () => {
    const requester = new KvRequester({ members: MEMBERS, favourite: 4 })
    for (const key of ["a", "b", "c", "d"]) requester.ask(at(0), { operation: get(key), done: () => undefined })
    expect(said(requester.settle(at(0)))).toEqual(["replica.1: 1/0 2/0 3/0 4/0"])
    requester.step(at(REQUESTER_TIMINGS.repeat), { kind: "timer", key: "tick" })
    expect(said(requester.settle(at(REQUESTER_TIMINGS.repeat)))).toEqual(["replica.2: 1/1 2/1 3/1 4/1"])
  })

  it("what a replica was asked that is known to be gone goes to the next at once", () => {
    const requester = new KvRequester({ members: MEMBERS, favourite: 0 })
    requester.ask(at(0), { operation: get("a"), done: () => undefined })
    expect(said(requester.settle(at(0)))).toEqual(["replica.0: 1/0"])
    requester.step(at(1), { kind: "message", from: actorId("replica.0"), body: { kind: "KvGone" } })
    expect(said(requester.settle(at(1)))).toEqual(["replica.1: 1/1"])
  })

  it("one that was away is tried with one request, which does not wait long for it", () => {
    const { repeat } = REQUESTER_TIMINGS
    const requester = new KvRequester({ members: MEMBERS, favourite: 0 })
    const ask = (now: number): void => void requester.ask(at(now), { operation: get("a"), done: () => undefined })
    requester.step(at(0), { kind: "message", from: actorId("replica.0"), body: { kind: "KvGone" } })
    ask(250_000)
    ask(250_000)
    expect(said(requester.settle(at(250_000)))).toEqual(["replica.0: 1/0", "replica.1: 2/0"])
    requester.step(at(250_000 + repeat / 4), { kind: "timer", key: "tick" })
    expect(said(requester.settle(at(250_000 + repeat / 4)))).toEqual(["replica.1: 1/1"])
  })

  it("one that was away and answers gets one request at a time, and all of them after sixteen", () => {
    const requester = new KvRequester({ members: MEMBERS, favourite: 0 })
    const ask = (now: number): void => void requester.ask(at(now), { operation: get("a"), done: () => undefined })
    requester.step(at(0), { kind: "message", from: actorId("replica.0"), body: { kind: "KvGone" } })
    const answered: number[] = []
    for (let round = 0, sequence = 0; round < 20; round++) {
      const now = 250_000 + round
      ask(now)
      ask(now)
      const [first = "", second] = said(requester.settle(at(now)))
      if (second === undefined) expect(first).toBe(`replica.0: ${sequence + 1}/0 ${sequence + 2}/0`)
      else answered.push(sequence)
      requester.step(at(now), tell(0, success(sequence + 1)))
      requester.step(at(now), tell(1, success(sequence + 2)))
      sequence += 2
    }
    expect(answered.length).toBe(16)
  })

  it("where all are away nothing is asked sooner again than of one that is busy", () => {
    const { repeat } = REQUESTER_TIMINGS
    const requester = new KvRequester({ members: MEMBERS, favourite: 0 })
    for (const from of MEMBERS) requester.step(at(0), { kind: "message", from, body: { kind: "KvGone" } })
    requester.ask(at(1), { operation: get("a"), done: () => undefined })
    expect(said(requester.settle(at(1)))).toEqual(["replica.0: 1/0"])
    requester.step(at(repeat / 2), { kind: "timer", key: "tick" })
    expect(said(requester.settle(at(repeat / 2)))).toEqual([])
  })

  it("asks who answered for a partition's registers last, reads too where the configuration names the bucket as one of registers", () => {
    const requester = new KvRequester({ members: MEMBERS, favourite: 0 })
    const members = MEMBERS.map((id) => ({ id, zone: "a" }))
    const holders = Array.from({ length: PARTITIONS }, () => [...MEMBERS])
    const buckets = [{ name: "registers", policy: "linear" as const }]
    requester.configure({ epoch: 1, members, buckets, holders, next: {}, changed: [] })
    const place = { bucket: "registers", key: "k" }
    const done = (): void => undefined
    requester.ask(at(0), { operation: { type: "cas", ...place, expect: null, value: "v" }, done })
    requester.settle(at(0))
    requester.step(at(1), tell(2, success(1)))
    requester.ask(at(2), { operation: { type: "get", ...place }, done })
    expect(said(requester.settle(at(2)))).toEqual(["replica.2: 2/0"])
  })

  it("repeats at another replica with the same sequence, updates too", () => {
    const { requester, ask } = asker()
    ask(0, put)
    ask(0, update)
    const before = said(requester.settle(at(0)))
    requester.step(at(REQUESTER_TIMINGS.repeat), { kind: "timer", key: "tick" })
    const after = said(requester.settle(at(REQUESTER_TIMINGS.repeat)))
    const home = (messages: readonly string[], sequence: number): string =>
      messages.find((message) => message.includes(`${sequence}/`))?.slice(0, 9) ?? ""
    expect(home(after, 1)).not.toBe(home(before, 1))
    expect(home(after, 2)).not.toBe(home(before, 2))
    expect(after.join(" ")).toContain("1/1")
  })

  it("gives a replica only so much at a time; the rest waits here, and goes to another where that one is silent", () => {
    const requester = new KvRequester({ members: MEMBERS, favourite: 0 })
    const asked = IN_FLIGHT_MAX + 100
    for (let index = 0; index < asked; index++) requester.ask(at(0), { operation: get(`k${index}`), done: () => undefined })
    const counts = (effects: readonly Effect<KvMessage>[]): (readonly [replica: string, requests: number, repeats: number])[] =>
      said(effects).map((text) => [
        text.slice(0, 9),
        text.split(" ").length - 1,
        text.split(" ").filter((each) => each.endsWith("/1")).length,
      ])
    const [first = ["", 0, 0] as const, ...none] = counts(requester.settle(at(0)))
    expect(none).toEqual([])
    expect(first[0]).toBe("replica.0")
    expect(first[1]).toBeLessThanOrEqual(IN_FLIGHT_MAX)
    // Not all that it has is answered: as much as was answered goes in, and more, for it keeps up.
    requester.step(at(5), tell(0, ...Array.from({ length: first[1] }, (_, index) => success(index + 1))))
    const [second = ["", 0, 0] as const] = counts(requester.settle(at(5)))
    expect(second[1]).toBeGreaterThan(first[1])
    const silence = 5 + REQUESTER_TIMINGS.repeatMax
    requester.step(at(silence), { kind: "timer", key: "tick" })
    const moved = counts(requester.settle(at(silence)))
    expect(moved.map(([replica]) => replica)).toEqual(["replica.1"])
    // What it had is a repeat; what never left is none.
    expect(moved[0]?.[2]).toBeLessThanOrEqual(second[1])
  })

  it("a replica that answers others is busy, not gone: nothing goes to another for a long time", () => {
    const requester = new KvRequester({ members: MEMBERS, favourite: 0 })
    for (let index = 0; index < 20; index++) requester.ask(at(0), { operation: put, done: () => undefined })
    requester.settle(at(0))
    const every = REQUESTER_TIMINGS.repeat / 2
    for (let answered = 1; answered < 8; answered++) {
      requester.step(at(answered * every), tell(0, success(answered)))
      requester.step(at(answered * every), { kind: "timer", key: "tick" })
      expect(said(requester.settle(at(answered * every)))).toEqual([])
    }
    // Now it is silent.
    const silence = 8 * every + REQUESTER_TIMINGS.repeatMax
    requester.step(at(silence), { kind: "timer", key: "tick" })
    expect(said(requester.settle(at(silence)))).toHaveLength(1)
  })

  it("one that was silent gets less at a time from then on, and more again as it answers", () => {
    const requester = new KvRequester({ members: [MEMBERS[0] as ActorId] })
    let now = 0
    const leaving = (): number => said(requester.settle(at(now))).reduce((sum, text) => sum + text.split(" ").length - 1, 0)
    for (let index = 0; index < 10 * IN_FLIGHT_MAX; index++)
      requester.ask(at(0), { operation: get("a"), deadline: 3600_000_000, done: () => undefined })
    const first = leaving()
    now += REQUESTER_TIMINGS.repeatMax
    requester.step(at(now), { kind: "timer", key: "tick" })
    const afterSilence = leaving()
    expect(afterSilence).toBeLessThan(first)
    for (let sequence = 1; sequence <= 3 * IN_FLIGHT_MAX; sequence++) {
      now += 100
      requester.step(at(now), tell(0, success(sequence)))
      leaving()
    }
    requester.step(at(now + 1), tell(0, ...Array.from({ length: IN_FLIGHT_MAX }, (_, index) => success(3 * IN_FLIGHT_MAX + 1 + index))))
    now += REQUESTER_TIMINGS.tick
    expect(leaving()).toBeGreaterThan(afterSilence)
  })

  it("is told at last that nobody answered, and whether the request may still take effect", () => {
    const { requester, answers, ask } = asker()
    ask(0, get("a"))
    requester.settle(at(0))
    requester.step(at(REQUESTER_TIMINGS.deadline), { kind: "timer", key: "tick" })
    expect(answers).toEqual(["quorum-not-met"])
    expect(requester.outstanding).toBe(0)
  })

  it("asks again where a refusal passes, and hands on what does not", () => {
    const { requester, answers, ask } = asker()
    ask(0, put)
    requester.settle(at(0))
    const refusal = { sequence: 1, ok: false as const, remedy: "", unknown: false }
    requester.step(at(1), tell(0, { ...refusal, reason: "busy" }))
    expect(answers).toEqual([])
    requester.step(at(REQUESTER_TIMINGS.tick + 1), { kind: "timer", key: "tick" })
    expect(said(requester.settle(at(50_000))).join()).toContain("1/1")
    requester.step(at(2), tell(0, { ...refusal, reason: "unknown-bucket" }))
    requester.step(at(3), tell(0, success(1)))
    expect(answers).toEqual(["unknown-bucket"])
  })

  it("a refusal of a replica that does not have it any more changes nothing", () => {
    const { requester, answers, ask } = asker()
    ask(0, put)
    const [first = ""] = said(requester.settle(at(0)))
    const replica = Number(first[8])
    const now = REQUESTER_TIMINGS.repeat + 10
    requester.step(at(now), { kind: "timer", key: "tick" })
    const [second = ""] = said(requester.settle(at(now)))
    expect(second.slice(0, 9)).not.toBe(first.slice(0, 9))
    requester.step(at(now + 1), tell(replica, { sequence: 1, ok: false, reason: "busy", remedy: "", unknown: false }))
    requester.step(at(now + 20_000), { kind: "timer", key: "tick" })
    expect(said(requester.settle(at(now + 20_000)))).toEqual([])
    requester.step(at(now + 20_001), tell(Number(second[8]), success(1)))
    expect(answers).toEqual(["ok"])
  })

  it("forgets what its caller waits for no more: it is not sent again, and makes room", () => {
    const requester = new KvRequester({ members: MEMBERS })
    const answers: KvAnswer[] = []
    const done = (answer: KvAnswer): void => void answers.push(answer)
    requester.ask(at(0), { operation: put, done })
    requester.settle(at(0))
    requester.forget(done)
    expect(requester.outstanding).toBe(0)
    for (let now = 0; now < 2_000_000; now += REQUESTER_TIMINGS.tick) {
      requester.step(at(now), { kind: "timer", key: "tick" })
      expect(said(requester.settle(at(now)))).toEqual([])
    }
    requester.step(at(2_000_000), tell(0, success(1)))
    expect(answers).toEqual([])
  })

  it("does not give up what was forgotten by whoever was told just before", () => {
    const requester = new KvRequester({ members: MEMBERS })
    const told: string[] = []
    const second = (): void => void told.push("second")
    const first = (): void => {
      told.push("first")
      requester.forget(second)
    }
    for (const done of [first, second]) requester.ask(at(0), { operation: put, done })
    requester.settle(at(0))
    requester.step(at(REQUESTER_TIMINGS.deadline), { kind: "timer", key: "tick" })
    expect(told).toEqual(["first"])
    expect(requester.outstanding).toBe(0)
  })

  it("refuses one more than it may have under way", () => {
    const { answers, ask } = asker()
    for (let index = 0; index <= OUTSTANDING_MAX; index++) ask(0, get("a"))
    expect(answers).toEqual(["busy"])
  })
})
