import { MetricStore } from "@backplane/foundation-telemetry/metric-store"
import { expect, it } from "vitest"
import { GoneMachines } from "./gone-machines.ts"

it("names a machine a minute after it was hosted last, and once", () => {
  const machines = new GoneMachines()
  expect(machines.update(["a", "b"], 0)).toEqual([])
  expect(machines.update(["b"], 60_000)).toEqual([])
  expect(machines.update(["b"], 60_001)).toEqual(["a"])
  expect(machines.update(["b"], 200_000)).toEqual([])
  expect(machines.update([], 260_001)).toEqual(["b"])
})

it("leaves no series of a machine that is forgotten, and all of the others", () => {
  const store = new MetricStore()
  for (const machine of ["a", "b"]) {
    store.count("backplane_events_total", { machine, name: "slice" })
    store.set("backplane_inbox_length", { machine, actor: "node.0" }, 3)
  }
  store.forget("machine", "a")
  const machines = store.families().flatMap(({ points }) => points.map(({ labels }) => labels["machine"]))
  expect(machines).toEqual(["b", "b"])
})
