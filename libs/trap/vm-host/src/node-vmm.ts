/** The VMM of one node and the engine with the node's memory, made with the first VM: a node without any needs no memory for them. */
import { Vmm } from "@backplane/trap-vmm/vmm"
import type { ExitRecorder } from "@backplane/trap-vmm/exit-recorder"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { PAGE_BYTES, vmModeProblem, type VmSpec } from "@backplane/scenario-machine/vm-spec"
import type { HostParts } from "./host-parts.ts"
import { swapOf, swapSlotsOf } from "./node-memory.ts"

/** Linear memory of the engine ends there. */
const MEMORY_BYTES_MAX = 3 * 2 ** 30
const ENGINE_CPUS_MAX = 64

export class NodeVmm {
  readonly #spec: MachineSpec
  readonly #node: number
  readonly #parts: HostParts
  readonly #recorder: ExitRecorder
  #vmm: Vmm | null = null

  constructor(
    spec: MachineSpec,
    { node, parts, recorder }: { readonly node: number; readonly parts: HostParts; readonly recorder: ExitRecorder },
  ) {
    this.#spec = spec
    this.#node = node
    this.#parts = parts
    this.#recorder = recorder
  }

  /** Null: there has been no VM. */
  get made(): Vmm | null {
    return this.#vmm
  }

  get(): Vmm {
    const { framesPerNode, cpus, nodes } = this.#spec.topology
    const memoryBytes = Math.min(framesPerNode * PAGE_BYTES, MEMORY_BYTES_MAX)
    const engine = { memoryBytes, cpus: Math.min(ENGINE_CPUS_MAX, Math.ceil(cpus / nodes)) }
    this.#vmm ??= new Vmm(this.#parts.makeEngine(engine), { recorder: this.#recorder, ...swapOf(this.#spec, this.#parts) })
    return this.#vmm
  }

  framesLeft(): number {
    return this.#vmm?.framesLeft() ?? this.#spec.topology.framesPerNode + swapSlotsOf(this.#spec)
  }

  /** Why a VM that is larger than what is left cannot be here. */
  noRoom(): string {
    const frames = this.get().framesLeft()
    const mib = Math.floor((frames * PAGE_BYTES) / 2 ** 20)
    const swap = swapSlotsOf(this.#spec) > 0 ? ", room in its swap file counted" : ""
    return `memoryBytes: node ${this.#node} has ${frames} frames left (${mib} MiB${swap}), and it needs more; give less`
  }

  /** Keeps room for a VM that comes. */
  reserve(vm: VmSpec): number | { readonly refusal: string } {
    const problem = vmModeProblem(vm)
    const { memoryBytes, cpus: vcpus, mmu } = vm
    const shape = { memoryBytes, vcpus, ...(mmu !== undefined && mmu !== "walk" && { mmu }) }
    return problem !== null ? { refusal: problem } : (this.get().reserve(shape) ?? { refusal: this.noRoom() })
  }
}
