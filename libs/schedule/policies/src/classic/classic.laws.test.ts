/** The adapter changes nothing: the instance decides as the function does on an array, and rr as sqms. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { TaskView } from "@backplane/schedule-contract/task-view"
import { Random } from "@backplane/foundation-base/random"
import { POLICIES } from "../policies.ts"
import { mayRun, type Policy } from "../policy.ts"
import { rr } from "../rr/rr.ts"
import { drive } from "../suite/drive.ts"
import { viewOf } from "../suite/views.ts"
import { drawWorkload } from "../suite/workload.ts"
import { ClassicQueue } from "./classic-queue.ts"

const RUNS = { numRuns: Number(process.env["SCHEDULE_LAW_RUNS"] ?? 60) }
const SETTINGS = { seed: 1, queue: "all", cpus: [0, 1, 2, 3], sliceTicks: 5 }

describe.each(Object.values(POLICIES).map((policy) => ({ name: policy.name, policy })))("$name", ({ policy }) => {
  it("as an instance picks and gives what it picks and gives from an array", () => {
    const step = fc.record({
      what: fc.constantFrom("new", "refused", "pick", "give", "remove"),
      cpu: fc.nat(3),
      at: fc.nat(30),
      warm: fc.boolean(),
      runtime: fc.nat(5),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new ClassicQueue(policy, SETTINGS)
        const naive: TaskView[] = []
        const passes = new Map<TaskView, number>()
        for (const [ordinal, { what, cpu, at, warm, runtime }] of steps.entries()) {
          const one = naive[at % Math.max(1, naive.length)]
          if (what === "pick") expect(queue.pick(cpu)).toBe(taken(naive, patient(policy, { naive, passes, cpu })))
          else if (what === "give") expect(queue.give(cpu)).toBe(naive[policy.give(naive, cpu)])
          else if (what === "remove" && one !== undefined) expect(queue.remove(one.task)).toBe(taken(naive, naive.indexOf(one)))
          else if (what === "new" || what === "refused") {
            const view = viewOf(`t${ordinal}`, { ordinal, affinity: at % 3 === 0 ? [cpu] : [], warm, runtime, lastCpu: at % 4 })
            queue.enqueue(view, 0, what)
            if (what === "new") naive.push(view)
            else naive.unshift(view)
          }
          expect(queue.waiting()).toEqual(naive)
        }
      }),
      RUNS,
    )
  })
})

/** What the policy picks; or the oldest that may run, once that was passed over as often as the policy allows. */
function patient(
  { pick, passesMax = Infinity }: Policy,
  { naive, passes, cpu }: { readonly naive: readonly TaskView[]; readonly passes: Map<TaskView, number>; readonly cpu: number },
): number {
  const oldest = naive.find((task) => mayRun(task, cpu))
  if (oldest === undefined) return -1
  const wanted = naive[pick(naive, cpu)]
  const count = passes.get(oldest) ?? 0
  if (wanted !== oldest && count < passesMax) passes.set(oldest, count + 1)
  return naive.indexOf(count < passesMax && wanted !== undefined ? wanted : oldest)
}

function taken(list: TaskView[], index: number): TaskView | undefined {
  return index < 0 ? undefined : list.splice(index, 1)[0]
}

it("round robin decides exactly as sqms does, on whatever workload", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 14 }), fc.integer({ min: 1, max: 4 }), (seed, tasks, cpus) => {
      // Without thefts: nothing is given away by sqms, which has nobody to give to.
      const workload = { ...drawWorkload(new Random(seed), { tasks, cpus }), thefts: [] }
      const settings = { ...SETTINGS, sliceTicks: workload.sliceTicks }
      expect(drive(rr.create(settings), workload).decisions).toEqual(drive(new ClassicQueue(POLICIES.sqms, settings), workload).decisions)
    }),
    RUNS,
  )
})
