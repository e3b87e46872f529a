/** A vCPU as a task: what its guest asks of the VMM reaches the node, and with it the scheduler. */
import { describe, expect, it } from "vitest"
import type { HostedStop, HostedVm } from "./hosted-vm.ts"
import { PART_WORK, VcpuTask } from "./vcpu-task.ts"

const PER_TICK = 1000
const CACHE = { isHot: () => true, ranTick: () => undefined, clone: () => CACHE }
const PAIR = { name: "pair", cpus: 2, instructionsPerTick: PER_TICK }

const TASK = { task: "pair.0", attempt: 1, ordinal: 0, run: 1, workingSet: 0, affinity: [] }

/** vCPU 0 of a VM of two, which ends every run with `stop` after so many instructions; null: as many as it may. */
function vcpu(stop: HostedStop, instructions: number | null, budgets: number[] = [], pagesMoved: number[] = []): VcpuTask {
  let ran = 0
  const run = (_index: number, { budget }: { readonly budget: number }): HostedStop => {
    budgets.push(budget)
    ran += instructions ?? budget
    return stop
  }
  const hosted = {
    spec: PAIR,
    vm: { instructions: () => ran },
    run,
    wouldRun: () => true,
    part: null,
    takePagesMoved: () => pagesMoved.shift() ?? 0,
  } as unknown as HostedVm
  return new VcpuTask({ task: TASK, index: 0, hosted, tickCycles: 1000, onSlice: () => undefined, onClose: () => undefined })
}

function slice(of: VcpuTask) {
  const ticks = of.plan({ cache: CACHE, fromTick: 5, budgetTicks: 10 })
  return of.run({ cache: CACHE, fromTick: 5, budgetTicks: ticks })
}

describe("a vCPU whose guest gives way", () => {
  it("to a sibling names that sibling's task", () => {
    const given = slice(vcpu({ kind: "yielded", to: 1 }, 3 * PER_TICK))
    expect(given).toMatchObject({ ticks: 3, finished: false, pause: { kind: "yield", to: "pair.1" } })
  })

  it("to anybody names nobody", () => {
    expect(slice(vcpu({ kind: "yielded", to: null }, 3 * PER_TICK)).pause).toEqual({ kind: "yield" })
  })
})

describe("a vCPU whose slice is noticed late", () => {
  it("has used the time and executes nothing for it: it would be later still", () => {
    const budgets: number[] = []
    const busy = vcpu({ kind: "budget" }, null, budgets)
    busy.plan({ cache: CACHE, fromTick: 5, budgetTicks: 10 })
    expect(busy.run({ cache: CACHE, fromTick: 5, budgetTicks: 97 })).toMatchObject({ ticks: 97, finished: false })
    expect(budgets).toEqual([10 * PER_TICK])
    busy.plan({ cache: CACHE, fromTick: 110, budgetTicks: 10 })
    expect(budgets).toEqual([10 * PER_TICK, 10 * PER_TICK])
  })
})

describe("a vCPU that has much to do", () => {
  it("runs a long slice in parts, whole ticks each, and the sum is what the slice pays for", () => {
    const budgets: number[] = []
    const busy = vcpu({ kind: "budget" }, null, budgets)
    const partTicks = PART_WORK / PER_TICK
    const slice = 2 * partTicks + 7
    const parts: number[] = []
    for (let from = 0; from < slice; from += parts.at(-1)!) {
      parts.push(busy.plan({ cache: CACHE, fromTick: from, budgetTicks: slice - from }))
      expect(busy.run({ cache: CACHE, fromTick: from, budgetTicks: parts.at(-1)! }).pause ?? null).toBe(null)
    }
    expect([parts, budgets]).toEqual([
      [partTicks, partTicks, 7],
      [PART_WORK, PART_WORK, 7 * PER_TICK],
    ])
  })

  it("by what the VMM does for it gets on no further in its ticks, and owes nothing", () => {
    const budgets: number[] = []
    const costly = vcpu({ kind: "worked" }, 2 * PER_TICK + 200, budgets)
    expect(slice(costly)).toMatchObject({ ticks: 3, finished: false })
    expect(slice(costly).pause ?? null).toBe(null)
    expect(budgets).toEqual([10 * PER_TICK, 10 * PER_TICK])
  })

  it("may cost more where a tick pays for much", () => {
    const works = [PER_TICK, 5_000_000].map((instructionsPerTick) => {
      let given = 0
      const run = (_index: number, { work }: { readonly work: number }): HostedStop => {
        given = work
        return { kind: "budget" }
      }
      const vm = { instructions: () => 0 }
      const hosted = { spec: { ...PAIR, instructionsPerTick }, vm, run, takePagesMoved: () => 0 } as unknown as HostedVm
      slice(new VcpuTask({ task: TASK, index: 0, hosted, tickCycles: 1000, onSlice: () => undefined, onClose: () => undefined }))
      return given
    })
    expect(works).toEqual([PART_WORK, 20_000_000])
  })

  it("even where it retires nothing it uses a tick: time goes on", () => {
    expect(slice(vcpu({ kind: "worked" }, 0))).toMatchObject({ ticks: 1, finished: false })
  })
})

describe("a vCPU that had pages brought in from the swap store", () => {
  /** Two pages in its first slice, none later: 20,000 cycles are 20 ticks. */
  const paging = (): VcpuTask => vcpu({ kind: "budget" }, null, [], [2])

  it("waits for them after its slice, and for nothing else: nobody wakes it earlier", () => {
    const task = paging()
    expect(slice(task)).toMatchObject({ ticks: 10, finished: false, pause: { kind: "blocked", wakeTick: 35 } })
    expect(task.takeWake()).toBe(false)
    expect(slice(task).pause).toBe(undefined)
  })

  it("that was taken off before its end waits after its next one", () => {
    const task = paging()
    task.plan({ cache: CACHE, fromTick: 5, budgetTicks: 10 })
    expect(task.run({ cache: CACHE, fromTick: 5, budgetTicks: 4 }).pause).toBe(undefined)
    expect(slice(task)).toMatchObject({ ticks: 10, pause: { kind: "blocked", wakeTick: 35 } })
  })
})

describe("a vCPU of a VM over two nodes", () => {
  /** Its runs end as given, each after so many instructions; `here` says whether what it waits for has come. */
  function waiting(runs: (readonly [HostedStop, number])[]) {
    let [ran, here] = [0, false]
    const budgets: number[] = []
    const hosted = {
      spec: PAIR,
      vm: { instructions: () => ran },
      run: (_index: number, { budget }: { readonly budget: number }): HostedStop => {
        const [stop, instructions] = runs.shift() ?? [{ kind: "budget" } as const, budget]
        budgets.push(budget)
        ran += instructions
        return stop
      },
      wouldRun: () => here,
      part: { sliceFrom: () => undefined },
      takePagesMoved: () => 0,
    } as unknown as HostedVm
    const task = new VcpuTask({ task: TASK, index: 0, hosted, tickCycles: 1000, onSlice: () => undefined, onClose: () => undefined })
    return { task, budgets, come: (is: boolean) => void (here = is) }
  }
  const AWAY: HostedStop = { kind: "away" }

  it("keeps its CPU while a page comes, and executes the rest of its tick as soon as it has", () => {
    const { task, budgets, come } = waiting([
      [AWAY, 300],
      [AWAY, 200],
    ])
    expect(task.plan({ cache: CACHE, fromTick: 5, budgetTicks: 10 })).toBe(1)
    task.goOn()
    expect(budgets).toEqual([PER_TICK])
    come(true)
    task.goOn()
    task.goOn()
    task.goOn()
    expect(budgets).toEqual([PER_TICK, 700, 500])
    expect(task.run({ cache: CACHE, fromTick: 5, budgetTicks: 1 })).toMatchObject({ ticks: 1, finished: false })
    expect(task.plan({ cache: CACHE, fromTick: 6, budgetTicks: 9 })).toBe(1)
    expect(budgets.at(-1)).toBe(PER_TICK)
  })

  it("gives the CPU away when it has waited for all of a tick, and is woken once when the page is there", () => {
    const { task, come } = waiting([
      [AWAY, 300],
      [AWAY, 0],
      [AWAY, 0],
    ])
    expect(slice(task)).toMatchObject({ ticks: 1, finished: false })
    expect(slice(task).pause).toBe(undefined)
    expect(slice(task)).toMatchObject({ ticks: 0, pause: { kind: "blocked", wakeTick: null } })
    expect(task.takeWake()).toBe(false)
    come(true)
    expect([task.takeWake(), task.takeWake()]).toEqual([true, false])
  })

  it("that was taken off in the middle owes what it has executed, not what it waited for", () => {
    const { task, budgets } = waiting([[AWAY, 300]])
    task.plan({ cache: CACHE, fromTick: 5, budgetTicks: 10 })
    expect(task.run({ cache: CACHE, fromTick: 5, budgetTicks: 0 })).toMatchObject({ ticks: 0, finished: false })
    task.plan({ cache: CACHE, fromTick: 9, budgetTicks: 10 })
    expect(budgets).toEqual([PER_TICK, PER_TICK - 300])
  })

  it("that finds nothing to do looks again after a tick, and after twice as many each further time, until it finds something", () => {
    const vain: [HostedStop, number] = [{ kind: "polling", how: "round", units: null }, 100]
    const { task, budgets, come } = waiting([
      vain,
      vain,
      vain,
      vain,
      vain,
      [{ kind: "budget" }, PER_TICK],
      vain,
      [AWAY, 10],
      [{ kind: "budget" }, PER_TICK],
      vain,
    ])
    const rest = (): number | null => {
      const { pause } = slice(task)
      return pause?.kind === "blocked" && pause.wakeTick !== null ? pause.wakeTick - 5 : null
    }
    expect(Array.from({ length: 7 }, rest)).toEqual([1, 2, 4, 8, 8, null, 1])
    task.plan({ cache: CACHE, fromTick: 5, budgetTicks: 10 })
    come(true)
    task.goOn()
    expect(task.run({ cache: CACHE, fromTick: 5, budgetTicks: 1 }).pause).toBe(undefined)
    expect(rest()).toBe(1)
    expect(budgets).toHaveLength(10)
  })

  it("that finds nothing to do rests no longer than to its timer; who polls for sure looks again in a tick", () => {
    const { task } = waiting([
      [{ kind: "polling", how: "round", units: null }, 300],
      [{ kind: "polling", how: "round", units: null }, 300],
      [{ kind: "polling", how: "round", units: 2_500 }, 100],
      [{ kind: "polling", how: "loop", units: null }, 100],
      [{ kind: "polling", how: "loop", units: null }, 100],
    ])
    expect(Array.from({ length: 5 }, () => slice(task).pause)).toMatchObject([1, 2, 3, 1, 1].map((ticks) => ({ wakeTick: 5 + ticks })))
  })

  it("that ends, or waits for its timer, in what it went on with says so at the end of its tick", () => {
    const over = waiting([
      [AWAY, 300],
      [{ kind: "over" }, 10],
    ])
    over.task.plan({ cache: CACHE, fromTick: 5, budgetTicks: 10 })
    over.come(true)
    over.task.goOn()
    expect(over.task.run({ cache: CACHE, fromTick: 5, budgetTicks: 1 })).toMatchObject({ ticks: 1, finished: true })
    const resting = waiting([
      [AWAY, 300],
      [{ kind: "waiting", units: 2_500 }, 10],
    ])
    resting.task.plan({ cache: CACHE, fromTick: 5, budgetTicks: 10 })
    resting.come(true)
    resting.task.goOn()
    expect(resting.task.run({ cache: CACHE, fromTick: 5, budgetTicks: 1 }).pause).toEqual({ kind: "blocked", wakeTick: 9 })
  })
})
