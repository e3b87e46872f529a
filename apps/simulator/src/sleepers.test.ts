/** Jobs that sleep, wake each other and wait for each other, in whole machines: what comes of them, and the trace of a wake-up. */
import { SpanRecorder } from "@backplane/foundation-simulation/span-recorder"
import { POLICY_NAMES, type PolicyName } from "@backplane/scenario-machine/machine-spec"
import { resolveMachineSpec, type MachineInput } from "@backplane/scenario-machine/resolve"
import { describe, expect, it } from "vitest"
import { machineWorld, outcomeOf, simulate } from "./simulate.ts"

type Jobs = NonNullable<MachineInput["jobs"]>

const base = { workingSet: 10 }
const rounds = 20
const pair: Jobs = [
  { ...base, name: "ping", run: 3 * rounds, phases: [{ run: 2, signal: "there" }, { run: 1, await: "back" }] }, // prettier-ignore
  { ...base, name: "pong", run: 2 * rounds, phases: [{ run: 1, await: "there" }, { run: 1, signal: "back" }] }, // prettier-ignore
]
const hogs: Jobs = ["h0", "h1", "h2"].map((name) => ({ ...base, name, run: 200 }))

function machine(policy: PolicyName, jobs: Jobs, more: Partial<MachineInput> = {}): ReturnType<typeof resolveMachineSpec> {
  return resolveMachineSpec({ topology: { cpus: 2, nodes: 2 }, cache: { warmRate: 1 }, schedule: { policy }, jobs, ...more })
}

describe("jobs that wait for each other", () => {
  it.each(POLICY_NAMES)("get all done beside hogs under %s, and run exactly as long as their work", (policy) => {
    const world = machineWorld(machine(policy, [...pair, ...hogs]))
    const runtimes = new Map<string, number>()
    world.onMessage(({ body }) => {
      if (body.kind === "TaskFinished") runtimes.set((body as { task?: string }).task ?? "", Number((body as { runtime?: number }).runtime))
    })
    world.run({ stop: () => outcomeOf(world) !== null })
    expect(outcomeOf(world)).toMatchObject({ result: { lost: [], restarts: 0 } })
    expect(Object.fromEntries(runtimes)).toEqual({ ping: 3 * rounds, pong: 2 * rounds, h0: 200, h1: 200, h2: 200 })
  })

  it("meet at a barrier: nobody begins a round before all have ended the last", () => {
    const names = ["a", "b", "c"]
    const band = names.map((name, index) => ({
      ...base,
      name,
      run: 8 * (index + 1),
      phases: [{ run: index + 1, signal: "met" }, { run: index + 1, await: "met", count: 3 }], // prettier-ignore
    }))
    // Four rounds, each as long as its slowest: 6 ticks for c, on CPUs for all; and a word between nodes may cost the rest of a tick.
    const outcome = simulate(machine("sqms", band, { topology: { cpus: 3, nodes: 3 } }))
    if ("failure" in outcome) throw new Error(outcome.failure.message)
    const finish = names.map((name) => Number(outcome.result.jobs[name]))
    expect(Math.max(...finish)).toBeGreaterThanOrEqual(24)
    expect(Math.max(...finish)).toBeLessThanOrEqual(24 + 8)
    expect(Math.min(...finish)).toBeGreaterThanOrEqual(15 + 2) // c signals for the third time at 15
  })

  it("for ever are named, once nobody is left who could signal", () => {
    const spec = machine("rr", [
      { ...base, name: "a", run: 10, phases: [{ run: 2, await: "never" }] },
      { ...base, name: "b", run: 5 },
    ])
    expect(simulate(spec)).toMatchObject({ failure: { kind: "lost-task", job: "a" } })
  })
})

describe("the trace of a wake-up", () => {
  it("shows wake, decision and dispatch over node and scheduler", () => {
    const recorder = new SpanRecorder()
    const sleeper: Jobs = [
      { ...base, name: "s", run: 9, phases: [{ run: 3, sleep: 20 }] },
      { ...base, name: "hog", run: 100 },
    ]
    const world = machineWorld(machine("cfs", sleeper, { topology: { cpus: 1 } }), { spans: recorder })
    world.run({ stop: () => outcomeOf(world) !== null })
    const roots = recorder.spans.filter(({ name }) => name === "sched.wakeup")
    expect(roots).toHaveLength(2)
    for (const root of roots) {
      const trace = recorder.spans.filter(({ traceId }) => traceId === root.traceId)
      const steps = trace.map(({ name, actor }) => `${actor}: ${name}`)
      expect(steps).toEqual(expect.arrayContaining(["node.0: sched.wakeup", "scheduler.cpu-0: sched.pick", "node.0: sched.dispatch"]))
    }
  })
})
