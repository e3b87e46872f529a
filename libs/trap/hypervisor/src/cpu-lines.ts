/** CPUs that go off line and come back: a level with a generation, on disk before anybody is told, told until every node has it. */
import { event, persist, send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Restored } from "@backplane/foundation-actor/machine"
import type { CpuLevelsSeen } from "@backplane/compute-contract/machine-messages"
import type { NodeReport } from "@backplane/compute-contract/task-messages"
import { cpusOfSeat, nodeActor } from "@backplane/scenario-machine/topology"
import type { CpuAsk } from "@backplane/trap-contract/operator-messages"
import type { HypervisorContext, Out } from "./hypervisor-context.ts"
import type { JobTable } from "./job-table.ts"
import { Writes } from "./writes.ts"

const KEY = "cpus"
/** Tasks that a refusal names. */
const NAMED_MAX = 5

export class CpuLines {
  readonly #context: HypervisorContext
  readonly #jobs: JobTable
  readonly #writes = new Writes()
  readonly #waiting = new Set<number>()
  /** Life of each node that has confirmed the generation. */
  readonly #told = new Map<number, number>()
  #topology = 0

  constructor(context: HypervisorContext, jobs: JobTable) {
    this.#context = context
    this.#jobs = jobs
  }

  get isUnderWay(): boolean {
    return this.#waiting.size > 0
  }

  get topology(): number {
    return this.#topology
  }

  restore(restored: Restored): void {
    const kept = restored.get(KEY)
    if (typeof kept !== "object" || kept === null || !("topology" in kept) || !("offline" in kept)) return
    this.#topology = Number(kept.topology)
    this.#context.offline = new Set(kept.offline as number[])
    this.#askAll()
  }

  #askAll(): void {
    for (let node = 0; node < this.#context.spec.topology.nodes; node++) this.#waiting.add(node)
  }

  onAsk(from: ActorId, { request, cpu, online, force }: CpuAsk, out: Out): void {
    const reason = this.set({ cpu, online, force: force === true }, out)
    out.push(send(from, { kind: "MachineAnswer", request, state: reason === null ? "done" : "refused", reason: reason ?? "" }))
  }

  /** Null, or why not. A CPU that is so already is no mistake. */
  set({ cpu, online, force }: { readonly cpu: number; readonly online: boolean; readonly force: boolean }, out: Out): string | null {
    const { offline, spec } = this.#context
    const { cpus } = spec.topology
    if (cpu >= cpus) return `cpu: there is no CPU ${cpu}; there are 0 to ${cpus - 1}`
    if (spec.schedule.compat === "ostep") return "cpu: in the OSTEP model CPUs neither go nor come"
    if (online !== offline.has(cpu)) return null
    const after = new Set(offline)
    if (online) after.delete(cpu)
    else after.add(cpu)
    const objection = online ? null : this.#objection(cpu, after, force)
    if (objection !== null) return objection
    this.#context.offline = after
    this.#topology++
    this.#told.clear()
    this.#askAll()
    this.#writes.begin(KEY)
    out.push(persist(KEY, { topology: this.#topology, offline: [...after] }))
    out.push(event(online ? "cpu-back" : "cpu-gone", { "backplane.cpu": cpu }, "info"))
    return null
  }

  #objection(cpu: number, offline: ReadonlySet<number>, force: boolean): string | null {
    const { seats, spec } = this.#context
    for (const seat of seats) {
      const own = cpusOfSeat(seat, spec.topology.cpus)
      if (own.includes(cpu) && own.every((one) => offline.has(one)))
        return `cpu: CPU ${cpu} is the last one on line ${seats.length > 1 ? `that ${seat.policy} has` : "of the machine"}; bring another back first`
    }
    if (force) return null
    const stranded = this.#jobs
      .inState("submitted", "live")
      .filter(({ spec: { affinity } }) => affinity.length > 0 && affinity.every((one) => offline.has(one)))
    if (stranded.length === 0) return null
    const names = stranded.slice(0, NAMED_MAX).map((job) => job.spec.name)
    return `cpu: ${stranded.length} tasks may run nowhere else (${names.join(", ")}${stranded.length > NAMED_MAX ? ", …" : ""}): they would wait until it is back; say so with --force, or give them another affinity first`
  }

  onPersisted(key: string, out: Out): void {
    if (key === KEY && this.#writes.end(KEY)) this.repeat(out)
  }

  repeat(out: Out): void {
    if (this.#writes.isPending(KEY)) return
    const offline = [...this.#context.offline].sort((a, b) => a - b)
    for (const node of this.#waiting) out.push(send(nodeActor(node), { kind: "CpuLevels", topology: this.#topology, offline }))
  }

  onSeen({ node, incarnation, topology }: CpuLevelsSeen): void {
    if (topology !== this.#topology) return
    this.#told.set(node, incarnation)
    this.#waiting.delete(node)
  }

  /** A new life of a node believes that all CPUs are there. */
  onReport({ node, incarnation }: NodeReport): void {
    if (this.#topology > 0 && (this.#told.get(node) ?? 0) < incarnation) this.#waiting.add(node)
  }
}
