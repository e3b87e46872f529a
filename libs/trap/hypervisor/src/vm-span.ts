/**
 * A VM that lies on several nodes: one life, placed on all of them before any vCPU runs, controlled and ended on all of them, and lost with any.
 *
 * The memory that they share is forgotten by the memory controllers when no node has part in it any more: a request that is repeated would else
 * begin it anew. Not here: what a part does (trap/vm-host).
 */
import { send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { memoryController, memoryControllersOf, nodeActor } from "@backplane/scenario-machine/topology"
import { spaceOfVm } from "@backplane/scenario-machine/vm-span"
import type { HypervisorContext, Out } from "./hypervisor-context.ts"
import type { NodeWatch } from "./node-watch.ts"
import { vmSpan, type VmRecord } from "./vm-table.ts"

/**
 * Reports of a node in a row that is to place a VM and says nothing of it: neither that it has it, nor that it has not, nor that it wants an image. A program of the
 * version before refuses the very message, and has no word for that.
 */
const UNANSWERED_REPORTS_MAX = 20

/** Requests of ours for the end of a memory begin so. */
const CLOSE = "close/"

export interface VmSpansParts {
  readonly context: HypervisorContext
  readonly watch: NodeWatch
}

export class VmSpans {
  readonly #parts: VmSpansParts
  /** By VM: nodes that have confirmed what it shall be, by its number. */
  readonly #confirmed = new Map<string, { readonly seq: number; readonly nodes: Set<number> }>()
  /** By VM that is placed: its life, and reports of its nodes since they said anything of images or VMs. */
  readonly #unanswered = new Map<string, { readonly life: number; readonly reports: Map<number, number> }>()
  /** By memory: controllers that have forgotten it. */
  readonly #forgotten = new Map<string, Set<number>>()

  constructor(parts: VmSpansParts) {
    this.#parts = parts
  }

  /** Every node that it must lie on lives. */
  canBegin({ spec }: VmRecord): boolean {
    const dead = this.#parts.watch.lostNodes()
    return !(spec.span ?? []).some((node) => dead.has(node))
  }

  /** A life begins on all of them. The memory of the one before is over. */
  begin(vm: VmRecord, before: number): void {
    if (vm.spec.span === undefined) return
    this.close(vm, before)
    vm.parts = vm.spec.span.map((node) => ({ node, nodeLife: this.#parts.watch.incarnationOf(node), isPlaced: false }))
  }

  /** Nobody will use the memory of that life any more. */
  close(vm: VmRecord, life: number): void {
    if (vm.spec.span === undefined || life <= vm.closedLife) return
    vm.closedLife = life
    vm.closing = [...vm.closing, spaceOfVm(vm.spec.name, life)]
  }

  liesOn({ node, parts }: VmRecord, asked: number): boolean {
    return node === asked || parts.some((part) => part.node === asked)
  }

  /** Life of that node that it lies on; 0: it has not said a word yet. */
  lifeOn({ nodeLife, parts }: VmRecord, asked: number): number {
    return parts.find(({ node }) => node === asked)?.nodeLife ?? nodeLife
  }

  /** A node has said its first word. */
  onNodeFirst(vm: VmRecord, node: number): void {
    const nodeLife = this.#parts.watch.incarnationOf(node)
    vm.parts = vm.parts.map((part) => (part.node === node && part.nodeLife === 0 ? { ...part, nodeLife } : part))
  }

  /** It lies on that node, ready to run. True: on all. */
  placed(vm: VmRecord, node: number): boolean {
    vm.parts = vm.parts.map((part) => (part.node === node ? { ...part, isPlaced: true } : part))
    return vm.parts.every(({ isPlaced }) => isPlaced)
  }

  /** The node is at work on a VM. */
  heardFrom(node: number): void {
    for (const { reports } of this.#unanswered.values()) reports.delete(node)
  }

  /** A node has told of itself. Why it will never have the VM; null: it may yet. */
  onReport({ spec, life, state, parts }: VmRecord, node: number): string | null {
    if (state !== "placing" || !parts.some((part) => part.node === node && part.nodeLife > 0 && !part.isPlaced)) return null
    const known = this.#unanswered.get(spec.name)
    const { reports } = known?.life === life ? known : { reports: new Map<number, number>() }
    this.#unanswered.set(spec.name, { life, reports })
    const count = (reports.get(node) ?? 0) + 1
    reports.set(node, count)
    if (count <= UNANSWERED_REPORTS_MAX) return null
    this.#unanswered.delete(spec.name)
    return `span: node ${node} lives and says nothing to a VM over several nodes, as the version before does; start that node with this version, or leave out span`
  }

  /** A node confirms how it shall be, or is dead. True: now all are one or the other. */
  confirmedBy({ spec, seq, parts }: VmRecord, node: number): boolean {
    if (parts.length === 0) return true
    const known = this.#confirmed.get(spec.name)
    const nodes = known?.seq === seq ? known.nodes : new Set<number>()
    this.#confirmed.set(spec.name, { seq, nodes: nodes.add(node) })
    const dead = this.#parts.watch.lostNodes()
    return parts.every((part) => nodes.has(part.node) || dead.has(part.node))
  }

  /** What every VM's node is told, to all of them; and to the controllers, when no node has part in an old memory. */
  sayAll(vm: VmRecord, out: Out): void {
    const { spec, life, firstLife, parts, pending, state } = vm
    for (const { node, nodeLife, isPlaced } of parts) {
      if (state === "placing" && !isPlaced && nodeLife > 0)
        out.push(send(nodeActor(node), { kind: "VmPlace", vm: spec, life, firstLife, incarnation: nodeLife }, vmSpan(vm)))
      if (pending !== null) out.push(send(nodeActor(node), { kind: "VmControl", vm: spec.name, life, ...pending }))
    }
    if (state !== "placing") this.#sayClosing(vm, out)
  }

  /** A memory controller has forgotten a memory. True: now all have. */
  onForgotten(vm: VmRecord, from: ActorId, space: string): boolean {
    const controllers = memoryControllersOf(this.#parts.context.spec)
    const known = this.#forgotten.get(space) ?? new Set<number>()
    this.#forgotten.set(space, known)
    for (let index = 0; index < controllers; index++) if (memoryController(index) === from) known.add(index)
    if (known.size < controllers || !vm.closing.includes(space)) return false
    this.#forgotten.delete(space)
    vm.closing = vm.closing.filter((each) => each !== space)
    return true
  }

  #sayClosing({ closing }: VmRecord, out: Out): void {
    const controllers = memoryControllersOf(this.#parts.context.spec)
    for (const space of closing)
      for (let index = 0; index < controllers; index++)
        if (this.#forgotten.get(space)?.has(index) !== true)
          out.push(send(memoryController(index), { kind: "SpaceClose", request: `${CLOSE}${space}`, space }))
  }
}

/** The memory that an answer is about; null: we did not ask. */
export function closedSpace(request: string): string | null {
  return request.startsWith(CLOSE) ? request.slice(CLOSE.length) : null
}
