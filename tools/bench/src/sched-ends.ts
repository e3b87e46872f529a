/** Both ends of the scheduler bench: a scheduler as its service hosts it, and nodes that are only messages. */
import { schedulerActor } from "@backplane/scenario-machine/topology"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { SchedulerEvent, SchedulerEvents } from "@backplane/schedule-contract/scheduler-messages"

export const QUEUE = "all"
export const SCHEDULER = schedulerActor(QUEUE)
/** Each has a task of its own: what is picked for it is known beforehand, so messages need not wait for each other. */
export const CPUS = 64

export function benchSpec(): MachineSpec {
  return resolveMachineSpec({
    name: "bench",
    topology: { nodes: 1, cpus: CPUS },
    schedule: { policy: "rr" },
    clock: { mode: "free" },
    jobs: [],
  })
}

/** The stream of one node, with its state: which task state and idle period each CPU has come to. */
export class FakeNode {
  #seq = 0
  readonly #turns = new Array<number>(CPUS).fill(0)
  #nextCpu = 0

  readonly generation: number

  constructor(generation: number) {
    this.generation = generation
  }

  get seq(): number {
    return this.#seq
  }

  snapshot(): SchedulerEvents {
    const tasks = Array.from({ length: CPUS }, (_, cpu): SchedulerEvent => ({
      type: "TASK_NEW",
      task: this.#view(cpu),
      reason: "snapshot",
    }))
    return this.#message([...tasks, { type: "SYNC" }])
  }

  /** The slices of the next `cpus` CPUs are over: each wants a decision. */
  slicesOver(cpus: number): SchedulerEvents {
    const events: SchedulerEvent[] = []
    for (let count = 0; count < cpus; count++) {
      const cpu = this.#nextCpu++ % CPUS
      const turn = (this.#turns[cpu] = (this.#turns[cpu] ?? 0) + 1)
      const first = turn === 1
      if (!first) events.push({ type: "TASK_PREEMPTED", task: this.#view(cpu), cpu, reason: "slice", ranTicks: 10 })
      events.push({ type: "CPU_IDLE", cpu, idleSeq: turn })
    }
    return this.#message(events)
  }

  #view(cpu: number): Extract<SchedulerEvent, { type: "TASK_NEW" }>["task"] {
    const taskSeq = 2 * (this.#turns[cpu] ?? 0) + 2
    const lastCpu = taskSeq > 2 ? cpu : null
    const more = { affinity: [cpu], workingSet: 10, runtime: 10, lastCpu, warm: true, requestedRun: 1000 }
    return { task: `task-${cpu}`, taskSeq, ordinal: cpu, node: 0, ...more }
  }

  #message(events: SchedulerEvent[]): SchedulerEvents {
    const seq = ++this.#seq
    return { kind: "SchedulerEvents", epoch: 1, queue: QUEUE, generation: this.generation, node: 0, incarnation: 1, at: 0, seq, events }
  }
}
