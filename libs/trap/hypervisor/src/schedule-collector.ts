/** Fetches from the nodes what ran on every CPU, page by page, when the run is over. */
import { send } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { SchedulePage } from "@backplane/compute-contract/task-messages"
import { nodeActor, nodeOfCpu } from "@backplane/scenario-machine/topology"
import type { HypervisorContext, Out } from "./hypervisor-context.ts"

export type Segment = readonly [from: number, to: number, job: string, warmFrom: number]

export interface CpuRecord {
  readonly segments: Segment[]
  busy: number
  warm: number
  complete: boolean
}

export class ScheduleCollector {
  readonly #context: HypervisorContext
  readonly #untilTick: number
  readonly #cpus: readonly CpuRecord[]

  constructor(context: HypervisorContext, untilTick: number) {
    this.#context = context
    this.#untilTick = untilTick
    this.#cpus = Array.from({ length: context.spec.topology.cpus }, () => ({ segments: [], busy: 0, warm: 0, complete: false }))
  }

  get isComplete(): boolean {
    return this.#cpus.every((cpu) => cpu.complete)
  }

  get cpus(): readonly CpuRecord[] {
    return this.#cpus
  }

  /** Asks for the next page of every CPU that is not complete; what lay on a lost node is not to be had. */
  ask(_now: VirtualTime, lostNodes: ReadonlySet<number>, out: Out): void {
    for (const [cpu, record] of this.#cpus.entries()) {
      if (record.complete) continue
      const node = nodeOfCpu(this.#context.spec.topology, cpu)
      if (lostNodes.has(node)) record.complete = true
      else out.push(send(nodeActor(node), { kind: "ScheduleAsk", cpu, from: record.segments.length, untilTick: this.#untilTick }))
    }
  }

  onPage(page: SchedulePage, out: Out): void {
    const record = this.#cpus[page.cpu]
    if (record === undefined || record.complete || page.from !== record.segments.length) return // a copy
    record.segments.push(...page.segments)
    record.busy = page.busy
    record.warm = page.warm
    // A node that has begun a new life knows less than was asked for: then what it has is all there is.
    if (record.segments.length >= page.total || page.segments.length === 0) record.complete = true
    else
      out.push(send(nodeActor(page.node), { kind: "ScheduleAsk", cpu: page.cpu, from: record.segments.length, untilTick: this.#untilTick }))
  }
}
