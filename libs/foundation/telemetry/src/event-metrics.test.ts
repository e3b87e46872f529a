import { actorId } from "@backplane/foundation-actor/actor-id"
import { describe, expect, it } from "vitest"
import { countEvent } from "./event-metrics.ts"
import { exposition } from "./exposition.ts"
import { MetricStore } from "./metric-store.ts"

const ACTOR = actorId("scheduler.cpu-3")

function lines(name: string, fields: Readonly<Record<string, string | number>>): readonly string[] {
  const store = new MetricStore()
  countEvent(store, { name, level: "debug", fields, machine: "m1", actor: ACTOR }, 0)
  return exposition(store.families(), "prometheus")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#") && !line.startsWith("backplane_events_total"))
}

describe("an event becomes numbers by the registry's table", () => {
  it("dispatch counts, tells the queue and the wait; the task is no label", () => {
    const told = lines("dispatch", { node: 0, cpu: 3, policy: "fifo", task: "t17", length: 4, wait: 100 })
    expect(told).toContain('backplane_dispatches_total{machine="m1",node="0",cpu="3",policy="fifo"} 1')
    expect(told).toContain('backplane_run_queue_length{machine="m1",node="0",cpu="3"} 4')
    expect(told).toContain('backplane_decision_wait_ticks_sum{machine="m1",policy="fifo"} 100')
    expect(told.some((line) => line.includes("t17"))).toBe(false)
  })

  it("takes fields under the attribute names of spans, and the node from the node's own name", () => {
    const store = new MetricStore()
    countEvent(store, { name: "idle", level: "debug", fields: { "backplane.cpu": 2 }, machine: "m1", actor: actorId("node.1") }, 0)
    expect(store.families().find((family) => family.name === "backplane_idles_total")?.points).toMatchObject([
      { labels: { machine: "m1", node: "1", cpu: "2" }, value: 1 },
    ])
  })

  it("a fixed label tells granted from refused", () => {
    expect(lines("steal-granted", { queue: "cpu-1" })).toEqual(['backplane_steals_total{machine="m1",queue="cpu-1",result="granted"} 1'])
  })

  it("frames of a lease are added up by the field", () => {
    expect(lines("lease-granted", { node: 1, frames: 64 })).toContain(
      'backplane_leased_frames_total{machine="m1",node="1",result="granted"} 64',
    )
  })

  it("a field that is missing or no number changes nothing", () => {
    expect(lines("tasks", { state: "running", count: "many" })).toEqual([])
  })

  it("the kind of the actor is a label, its id is not", () => {
    expect(lines("actor-restarted", { kind: "scheduler" })).toEqual(['backplane_actor_restarts_total{machine="m1",kind="scheduler"} 1'])
    expect(lines("actor-restarted", {})).toEqual(['backplane_actor_restarts_total{machine="m1",kind="scheduler"} 1'])
  })

  it("an unregistered name is counted as such, never thrown", () => {
    expect(lines("surprise", {})).toEqual(['backplane_unregistered_names_total{kind="event"} 1'])
  })
})
