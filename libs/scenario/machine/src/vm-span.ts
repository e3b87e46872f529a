/**
 * Virtual machines over several nodes: which vCPU lies where, how their memory is named, and what such a machine cannot have yet.
 *
 * Not here: how they run (trap/vm-host), their lives (trap/hypervisor), their pages (memory/coherence).
 */
import { Rejection } from "./rejection.ts"
import type { MachineSpec } from "./machine-spec.ts"
import type { VmSpec } from "./vm-spec.ts"

/** The only memory management that such a VM has; taken where none is named. */
export const SPAN_MMU = "nested"
/** Names of spaces of VMs begin so; operators' spaces never do. */
export const VM_SPACE_PREFIX = "vm."

/** The memory that one life of a VM over several nodes lies in. */
export function spaceOfVm(vm: string, life: number): string {
  return `${VM_SPACE_PREFIX}${vm}.${life}`
}

/** The node of a vCPU of a VM whose home is `home`: the home, unless it lies on several. */
export function nodeOfVcpu({ span }: Pick<VmSpec, "span">, index: number, home: number): number {
  return span?.[index % span.length] ?? home
}

type Machine = Pick<MachineSpec, "topology" | "clock" | "memory">

/** Throws a `Rejection` for a VM over several nodes that asks for what such a VM cannot have. */
export function checkSpan(vm: VmSpec, { topology, clock, memory }: Machine, field: string): void {
  const { span } = vm
  if (span === undefined) return
  const absent = span.find((node) => node >= topology.nodes)
  if (absent !== undefined) throw new Rejection(`${field}.span`, `there is no node ${absent}; the nodes are 0 to ${topology.nodes - 1}`)
  if (new Set(span).size < span.length) throw new Rejection(`${field}.span`, "a node is named twice; name each once")
  if (span.length > vm.cpus)
    throw new Rejection(`${field}.span`, `${span.length} nodes have no vCPU each with cpus ${vm.cpus}; give cpus ${span.length} or more`)
  const refusal = refusalOf(vm)
  if (refusal !== null) throw new Rejection(`${field}.${refusal.field}`, `${refusal.reason}; ${refusal.remedy}, or leave out span`)
  if (vm.instructionsPerTick > clock.tickCycles)
    throw new Rejection(
      `${field}.instructionsPerTick`,
      `vCPUs on several nodes have the machine's clock, and ${vm.instructionsPerTick} instructions are more than the ${clock.tickCycles} cycles of a tick; give at most that`,
    )
  if ((memory?.vms?.swapPages ?? 0) > 0)
    throw new Rejection(
      `${field}.span`,
      "pages of a VM over several nodes do not go to a node's swap file; leave out span or memory.vms.swapPages (memory.swapPages is for them)",
    )
}

interface Refusal {
  readonly field: keyof VmSpec
  readonly reason: string
  readonly remedy: string
}

/** What is not built for a VM over several nodes. */
function refusalOf(vm: VmSpec): Refusal | null {
  if (vm.mode !== "assist" && vm.mode !== "trap")
    return { field: "mode", reason: `${vm.mode} is not built for a VM over several nodes`, remedy: "give assist or trap" }
  if (vm.mmu !== SPAN_MMU)
    return { field: "mmu", reason: `${vm.mmu ?? "shadow"} is not built for a VM over several nodes`, remedy: `give ${SPAN_MMU}` }
  if (vm.trapPath !== "resident")
    return { field: "trapPath", reason: "exits of a VM over several nodes are handled in its nodes", remedy: "give resident" }
  if (vm.node !== undefined) return { field: "node", reason: "its nodes are those of span", remedy: "leave out node" }
  if (vm.affinity.length > 0) return { field: "affinity", reason: "its CPUs are those of its nodes", remedy: "leave out affinity" }
  if (vm.disk !== undefined && "volume" in vm.disk)
    return { field: "disk", reason: "a disk in the store is not built for a VM over several nodes", remedy: "give a file" }
  for (const name of ["virtioConsole", "virtioRng", "irqAffinity", "instructionsMax"] as const)
    if (vm[name] !== undefined && vm[name] !== false)
      return { field: name, reason: "not built for a VM over several nodes", remedy: `leave out ${name}` }
  return null
}
