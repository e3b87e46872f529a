/** Every broken policy is caught by the laws, within the number of workloads that CI draws. */
import { describe, expect, it } from "vitest"
import type { TaskView } from "@backplane/schedule-contract/task-view"
import { Random } from "@backplane/foundation-base/random"
import { bfs } from "../bfs/bfs.ts"
import { cfs } from "../cfs/cfs.ts"
import { NaiveCfs } from "../cfs/naive-cfs.ts"
import { chaosWith, FOLLIES } from "../chaos/chaos.ts"
import { credit } from "../credit/credit.ts"
import { eevdf } from "../eevdf/eevdf.ts"
import { o1 } from "../o1/o1.ts"
import { mayRun } from "../policy.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { QueuePolicyKind } from "../queue-policy.ts"
import { rr } from "../rr/rr.ts"
import { stride } from "../stride/stride.ts"
import { broken, type Fault } from "./mutants.ts"
import { brokenLaws } from "./safety-laws.ts"
import { gainByAbsence, gainByComingAndGoing, gainOfThief, lagBeyondSlice, starvation } from "./share-laws.ts"
import { waitBoundOf } from "./wait-bounds.ts"
import { drawWorkload } from "./workload.ts"

const WORKLOADS = 120

interface Mutant {
  readonly name: string
  readonly kind: QueuePolicyKind
  readonly fault: Fault
  /** Part of what the law says. */
  readonly caughtBy: RegExp
}

let shared = 0

const SAFETY: readonly Mutant[] = [
  {
    name: "drops a task on wake-up",
    kind: rr,
    fault: (sound) => ({ enqueue: (task, now, why) => void (why === "wake" || sound.enqueue(task, now, why)) }),
    caughtBy: /holds \d+ tasks where \d+ wait/,
  },
  {
    name: "picks a task twice",
    kind: rr,
    fault: (sound) => {
      let last: TaskView | undefined
      return { pick: (cpu, now) => (last = sound.pick(cpu, now) ?? last) }
    },
    caughtBy: /which is (running|dead|sleeping|elsewhere)/,
  },
  {
    name: "ignores affinity",
    kind: eevdf,
    fault: (sound) => ({ enqueue: (task, now, why) => sound.enqueue({ ...task, affinity: [] }, now, why) }),
    caughtBy: /where it may not run/,
  },
  {
    name: "gives a thief what it may not run",
    kind: rr,
    fault: (sound) => ({ give: () => sound.waiting()[0] }),
    caughtBy: /gives t\d+ to CPU \d+, where it may not run/,
  },
  {
    name: "never refills the expired",
    kind: o1,
    fault: (sound) => {
      const expired = new Map<string, TaskView>()
      return {
        enqueue: (task, now, why) => void (why === "slice" ? expired.set(task.task, task) : sound.enqueue(task, now, why)),
        waiting: () => [...sound.waiting(), ...expired.values()],
      }
    },
    caughtBy: /is not done|CPUs idle/,
  },
  {
    name: "forgets pinned tasks",
    kind: rr,
    fault: (sound) => ({
      pick: (cpu, now) => {
        const view = sound.pick(cpu, now)
        if (view === undefined || view.affinity.length === 0) return view
        sound.enqueue(view, now, "refused")
        return undefined
      },
    }),
    caughtBy: /CPUs idle|not done/,
  },
  {
    name: "decides by what another instance did",
    kind: rr,
    fault: (sound) => ({ sliceTicks: (task) => sound.sliceTicks(task) + (shared++ % 3) }),
    caughtBy: /same seed gives other decisions|waits/,
  },
  {
    name: "holds on to what it has given away",
    kind: rr,
    fault: (sound) => ({ remove: (task) => sound.waiting().find((view) => view.task === task) }),
    caughtBy: /which does not wait|holds/,
  },
  {
    name: "gives slices of nothing",
    kind: rr,
    fault: () => ({ sliceTicks: () => 0 }),
    caughtBy: /a slice of 0/,
  },
  {
    name: "keeps old views",
    kind: rr,
    fault: (sound) => {
      const first = new Map<string, TaskView>()
      return {
        enqueue: (task, now, why) => {
          if (!first.has(task.task)) first.set(task.task, task)
          sound.enqueue(first.get(task.task) ?? task, now, why)
        },
      }
    },
    caughtBy: /by an old view/,
  },
]

function findings(kind: QueuePolicyKind): readonly string[] {
  const found: string[] = []
  for (let seed = 0; seed < WORKLOADS; seed++) {
    const random = new Random(seed)
    const workload = drawWorkload(random, { tasks: random.between(1, 14), cpus: random.pick([1, 1, 2, 3, 4]) })
    found.push(...brokenLaws(kind, workload, { seed, waitBound: waitBoundOf(kind.name) }))
  }
  return found
}

describe("the laws of safety catch a policy that", () => {
  it.each(SAFETY)("$name", ({ kind, fault, caughtBy }) => {
    expect(findings(kind)).toEqual([])
    expect(findings(broken(kind, fault)).filter((finding) => caughtBy.test(finding)).length).toBeGreaterThan(0)
  })

  it.each(FOLLIES.map((folly) => ({ folly })))("has the folly $folly", ({ folly }) => {
    // Leaving CPUs idle is declared by chaos; here it must not be.
    const { leavesIdle, ...undeclared } = chaosWith([folly])
    expect(leavesIdle).toBe("on purpose")
    expect(findings(undeclared).length).toBeGreaterThan(0)
  })
})

type ShareLaw = (kind: QueuePolicyKind, random: Random, ticks: number) => string | null

/** The heaviest that may run, always. */
const heaviestFirst: Fault = (sound) => ({
  pick: (cpu) => {
    const [heaviest] = sound
      .waiting()
      .filter((view) => mayRun(view, cpu))
      .sort((a, b) => (b.weight ?? 100) - (a.weight ?? 100))
    return heaviest === undefined ? undefined : sound.remove(heaviest.task)
  },
})

const naiveCfs = (floor: "kept" | "none"): QueuePolicyKind => ({
  ...cfs,
  create: ({ sliceTicks }) => new PolicyQueue(new NaiveCfs({ sliceTicks, floor })),
})

it("the law of absence holds for the naive form of cfs, and catches it where min_vruntime is wrong", () => {
  expect(gainsByAbsence(naiveCfs("kept"))).toEqual([])
  expect(gainsByAbsence(naiveCfs("none")).length).toBeGreaterThan(0)
})

function gainsByAbsence(kind: QueuePolicyKind): readonly string[] {
  return Array.from({ length: 10 }, (_, seed) => gainByAbsence(kind, new Random(seed), 1000)).filter((finding) => finding !== null)
}

const SHARES: readonly (Mutant & { readonly law: ShareLaw })[] = [
  ...[cfs, eevdf, stride, bfs].map((kind) => ({
    name: `starves low weights (${kind.name})`,
    kind,
    fault: heaviestFirst,
    law: starvation,
    caughtBy: /weight \d+ waits/,
  })),
  {
    name: "ignores weights",
    kind: eevdf,
    fault: (sound) => ({ enqueue: (task, now, why) => sound.enqueue({ ...task, weight: 100 }, now, why) }),
    law: lagBeyondSlice,
    caughtBy: /lag from/,
  },
  {
    name: "does not keep lag over a sleep",
    kind: eevdf,
    fault: (sound) => ({ charge: (task, ran, why, now) => sound.charge(task, ran, why === "blocked" ? "dead" : why, now) }),
    law: gainByComingAndGoing,
    caughtBy: /where .* were due/,
  },
  {
    name: "does not charge for a run that ends early",
    kind: stride,
    fault: (sound) => ({ charge: (task, ran, why, now) => sound.charge(task, why === "slice" ? ran : 0, why, now) }),
    law: gainOfThief,
    caughtBy: /the thief ran/,
  },
  {
    name: "charges whoever is seen at the tick (Xen before its mending)",
    kind: credit,
    fault: (sound) => ({ charge: (task, ran, why, now) => sound.charge(task, why === "slice" ? ran : 0, why, now) }),
    law: gainOfThief,
    caughtBy: /the thief ran/,
  },
]

describe("the laws of shares catch a policy that", () => {
  it.each(SHARES)("$name", ({ kind, fault, law, caughtBy }) => {
    const all = (one: QueuePolicyKind): readonly (string | null)[] =>
      Array.from({ length: 10 }, (_, seed) => law(one, new Random(seed), 1000))
    expect(all(kind).every((finding) => finding === null)).toBe(true)
    expect(all(broken(kind, fault)).filter((finding) => finding !== null && caughtBy.test(finding)).length).toBeGreaterThan(0)
  })
})
