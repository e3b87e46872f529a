/**
 * Broken policies, each with one fault, made from sound ones: what the laws must catch. A law that never failed is not trusted.
 *
 * `broken` puts itself between an owner and a sound instance; what is not named in the fault goes through.
 */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import type { ChargeReason, EnqueueReason, QueuePolicy, QueuePolicyKind } from "../queue-policy.ts"

/** How one instance misbehaves: each part gets the sound instance, and stands in for its method. */
export type Fault = (sound: QueuePolicy) => Partial<QueuePolicy>

export function broken(kind: QueuePolicyKind, fault: Fault): QueuePolicyKind {
  return { ...kind, create: (settings) => new BrokenQueue(kind.create(settings), fault) }
}

class BrokenQueue implements QueuePolicy {
  readonly #sound: QueuePolicy
  readonly #fault: Partial<QueuePolicy>

  constructor(sound: QueuePolicy, fault: Fault) {
    this.#sound = sound
    this.#fault = fault(sound)
  }

  get length(): number {
    return this.#fault.waiting?.().length ?? this.#sound.length
  }

  waiting(): readonly TaskView[] {
    return this.#fault.waiting?.() ?? this.#sound.waiting()
  }

  find(task: string): TaskView | undefined {
    return this.#sound.find(task)
  }

  enqueue(task: TaskView, now: number, why: EnqueueReason): void {
    if (this.#fault.enqueue !== undefined) this.#fault.enqueue(task, now, why)
    else this.#sound.enqueue(task, now, why)
  }

  remove(task: string): TaskView | undefined {
    return this.#fault.remove === undefined ? this.#sound.remove(task) : this.#fault.remove(task)
  }

  offer(idleCpus: readonly number[], now: number): void {
    this.#sound.offer(idleCpus, now)
  }

  pick(cpu: number, now: number): TaskView | undefined {
    return this.#fault.pick === undefined ? this.#sound.pick(cpu, now) : this.#fault.pick(cpu, now)
  }

  give(thiefCpu: number): TaskView | undefined {
    return this.#fault.give === undefined ? this.#sound.give(thiefCpu) : this.#fault.give(thiefCpu)
  }

  charge(task: string, ranTicks: number, why: ChargeReason, now: number): void {
    if (this.#fault.charge !== undefined) this.#fault.charge(task, ranTicks, why, now)
    else this.#sound.charge(task, ranTicks, why, now)
  }

  sliceTicks(task: string): number {
    return this.#fault.sliceTicks === undefined ? this.#sound.sliceTicks(task) : this.#fault.sliceTicks(task)
  }
}
