/** Which engine a task is run with, and what its token carries when it leaves. */
import type { GuestState } from "@backplane/compute-contract/guest-state"
import type { EngineTask, TaskEngine, TaskProgress } from "@backplane/compute-contract/task-engine"
import type { TaskSpec } from "@backplane/compute-contract/task-messages"
import { describe, expect, it } from "vitest"
import { newTask, taskOfToken, TaskTable, type Task } from "./task-table.ts"
import { TaskWorks } from "./task-works.ts"

const GUEST = { image: "AAAA", memoryBytes: 65_536, instructionsPerTick: 1, instructionsMax: 1 }
/** Engines see it, nodes do not. */
const state = (mark: number): GuestState => ({ grantedUnits: mark }) as GuestState

class FakeEngine implements TaskEngine {
  readonly opened: { readonly task: string; readonly progress: TaskProgress | null }[] = []
  readonly closed: string[] = []
  readonly #progress: (before: TaskProgress | null) => TaskProgress

  constructor(progress: (before: TaskProgress | null) => TaskProgress) {
    this.#progress = progress
  }

  refusal({ task }: TaskSpec): string | null {
    return task === "bad" ? "it is bad" : null
  }

  open({ task }: TaskSpec, before: TaskProgress | null): EngineTask {
    this.opened.push({ task, progress: before })
    return {
      plan: () => 1,
      run: () => ({ left: 0, ticks: 1, warmTicks: 0, finished: false }),
      progress: () => this.#progress(before),
      outcome: () => null,
      close: () => void this.closed.push(task),
    }
  }
}

function parts() {
  const jobs = new FakeEngine(() => ({ left: 5 }))
  const guests = new FakeEngine((before) => ({ left: 0, guest: state((before?.guest?.grantedUnits ?? 0) + 1) }))
  return { jobs, guests, works: new TaskWorks({ jobs, guests }), table: new TaskTable() }
}

function taskOf(task: string, more: Partial<TaskSpec> = {}): Task {
  return newTask({ task, attempt: 1, ordinal: 0, run: 7, workingSet: 0, affinity: [], ...more }, "all", 0, 0)
}

describe("what tasks are run with", () => {
  it("is the engine of their kind, opened once, when they first run", () => {
    const { jobs, guests, works } = parts()
    const [job, guest] = [taskOf("job"), taskOf("guest", { guest: GUEST })]
    works.of(job)
    works.of(job)
    works.of(guest)
    expect([jobs.opened, guests.opened]).toEqual([[{ task: "job", progress: { left: 7 } }], [{ task: "guest", progress: { left: 7 } }]])
  })

  it("refuses what it cannot run: bad tasks, and guests where there is no engine for them", () => {
    const { works, jobs } = parts()
    expect(works.refusal(taskOf("bad").spec)).toBe("it is bad")
    expect(works.refusal(taskOf("job").spec)).toBeNull()
    expect(new TaskWorks({ jobs }).refusal(taskOf("guest", { guest: GUEST }).spec)).toBe("this node runs no guests")
  })

  it("goes with the token of a task that has run: the capture instead of the image", () => {
    const { guests, works, table } = parts()
    const guest = taskOf("guest", { guest: GUEST })
    works.of(guest)
    const token = works.leave(table.give(guest))
    expect([token.guest, token.spec.guest?.image, guests.closed]).toEqual([state(1), undefined, ["guest"]])
    const arrived = taskOfToken(token, "all", 3)
    works.of(arrived)
    expect([guests.opened.at(-1)?.progress, arrived.guest]).toEqual([{ left: 0, guest: state(1) }, undefined])
    expect(works.leave(table.give(arrived)).guest).toEqual(state(2))
  })

  it("goes on unchanged with a task that never ran here: the image before its first slice, the capture after it", () => {
    const { works, table } = parts()
    expect(works.leave(table.give(taskOf("guest", { guest: GUEST }))).spec.guest?.image).toBe("AAAA")
    const { image: _, ...lean } = GUEST
    const passing = taskOfToken({ ...table.give(taskOf("guest", { guest: lean })), guest: state(9) }, "all", 0)
    expect(works.leave(table.give(passing)).guest).toEqual(state(9))
  })

  it("is not that of an earlier life: it is closed and the new one begins", () => {
    const { jobs, works } = parts()
    works.of(taskOf("job"))
    works.of(taskOf("job", { attempt: 2 }))
    expect([jobs.opened.length, jobs.closed]).toEqual([2, ["job"]])
  })

  it("is closed with the task's end, which is told with what came of it", () => {
    const { jobs, works } = parts()
    const job = taskOf("job")
    works.of(job)
    expect(works.end(job)).toBeNull()
    works.close(job.spec)
    expect(jobs.closed).toEqual(["job"])
  })
})
