/** The restart of a scheduler is one trace over scheduler and nodes; that of a node reaches the hypervisor and the tasks it begins again. */
import { actorId } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { SpanRecorder } from "@backplane/foundation-simulation/span-recorder"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { describe, expect, it } from "vitest"
import { machineWorld, outcomeOf } from "./simulate.ts"

const jobs = Array.from({ length: 6 }, (_, index) => ({ name: `j${index}`, run: 300, workingSet: 20, restartable: true }))
const spec = resolveMachineSpec({ topology: { cpus: 2, nodes: 2 }, schedule: { policy: "mqms" }, jobs })

/** Names and kinds of actor of all spans in the traces of `actor.restart`, after `victim` was killed in the middle of the run. */
function restartTrace(victim: string): { readonly names: readonly string[]; readonly actors: readonly string[] } {
  const recorder = new SpanRecorder()
  const world = machineWorld(spec, { spans: recorder })
  world.run({ until: virtualTime(50_500_000) })
  world.crash(actorId(victim))
  world.restart(actorId(victim))
  world.run({ stop: () => outcomeOf(world) !== null, until: virtualTime(2_000_000_000) })
  expect(outcomeOf(world)).toMatchObject({ result: { lost: [] } })
  const traces = new Set(recorder.spans.filter((span) => span.name === "actor.restart").map((span) => span.traceId))
  const spans = recorder.spans.filter((span) => traces.has(span.traceId))
  return {
    names: [...new Set(spans.map((span) => span.name))],
    actors: [...new Set(spans.map((span) => span.actor.slice(0, span.actor.indexOf("."))))].sort(),
  }
}

describe("the trace of a restart", () => {
  it("of a scheduler shows the nodes that it attached to", () => {
    expect(restartTrace("scheduler.cpu-0").actors).toEqual(["node", "scheduler"])
  })

  it("of a node shows the hypervisor and the tasks that begin again", () => {
    const { names, actors } = restartTrace("node.1")
    expect(actors).toEqual(expect.arrayContaining(["hypervisor", "node"]))
    expect(names).toEqual(expect.arrayContaining(["actor.restart", "task.restart", "mem.lease"]))
  })
})
