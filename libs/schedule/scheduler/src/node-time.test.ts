import type { Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { nodeActor } from "@backplane/scenario-machine/topology"
import { expect, it } from "vitest"
import { NodeTime } from "./node-time.ts"
import type { SchedulerHears, SchedulerSays } from "./scheduler-context.ts"

/** Remembers the times at which it was asked, and wants to be woken 50 cycles later. */
class Watcher implements Machine<SchedulerHears, SchedulerSays> {
  readonly times: number[] = []

  start(now: VirtualTime): readonly Effect<SchedulerSays>[] {
    this.times.push(now)
    return []
  }

  step(now: VirtualTime): readonly Effect<SchedulerSays>[] {
    this.times.push(now)
    return [{ kind: "timer", key: "again", at: virtualTime(now + 50) }]
  }
}

function events(at: number): Input<SchedulerHears> {
  const stream = { epoch: 1, queue: "all", generation: 1, node: 0, incarnation: 1, seq: 1 }
  return { kind: "message", from: nodeActor(0), body: { kind: "SchedulerEvents", ...stream, at, events: [] } }
}

function refusal(when: { readonly at?: number }): Input<SchedulerHears> {
  const stream = { epoch: 1, queue: "all", generation: 1, node: 0, commit: 1 }
  return { kind: "message", from: nodeActor(0), body: { kind: "SchedulerVerdicts", ...stream, verdicts: ["BAD_SLICE"], ...when } }
}

it("time is what the nodes say; a timer takes as long by the host's clock, and may not go back", () => {
  const watcher = new Watcher()
  const time = new NodeTime(watcher)
  time.start(virtualTime(9_000), new Map())
  expect(time.step(virtualTime(9_010), events(700))).toEqual([{ kind: "timer", key: "again", at: 9_060 }])
  time.step(virtualTime(9_060), { kind: "timer", key: "again" })
  time.step(virtualTime(9_070), events(720))
  time.step(virtualTime(9_080), events(900))
  expect(watcher.times).toEqual([0, 700, 750, 750, 900])
  time.step(virtualTime(9_090), refusal({ at: 1_000 }))
  time.step(virtualTime(9_095), refusal({}))
  expect(watcher.times.slice(5)).toEqual([1_000, 1_000])
})
