/** From what a scenario says of its virtual machines to whole descriptions, with the checks that need more than one field. */
import { Rejection } from "./rejection.ts"
import { cpusOfNode, nodeOfCpu } from "./topology.ts"
import { VM_DEFAULTS, type ImageFileReader, type ImageRef, type VmInput, type VmSpec } from "./vm-spec.ts"
import type { MachineSpec } from "./machine-spec.ts"

export function resolveVm({ kernel, disk, initrd, ...given }: VmInput, field: string, readImage: ImageFileReader | undefined): VmSpec {
  const image = (of: string | ImageRef, name: string): ImageRef => {
    if (typeof of !== "string") return of
    if (readImage === undefined) throw new Rejection(`${field}.${name}`, "files cannot be read here; give hash and size of the image")
    return readImage(of, `${field}.${name}`)
  }
  return {
    ...VM_DEFAULTS,
    ...given,
    affinity: [...(given.affinity ?? [])],
    kernel: image(kernel, "kernel"),
    ...(disk !== undefined && { disk: image(disk, "disk") }),
    ...(initrd !== undefined && { initrd: image(initrd, "initrd") }),
  }
}

/** Throws a `Rejection` for a VM that no node of the machine could ever run. Also asked for VMs that an operator brings later. */
export function checkVm(vm: VmSpec, { topology, schedule }: Pick<MachineSpec, "topology" | "schedule">, field: string): void {
  const { node, affinity, instructionsPerTick } = vm
  if (node !== undefined && node >= topology.nodes)
    throw new Rejection(`${field}.node`, `there is no node ${node}; the nodes are 0 to ${topology.nodes - 1}`)
  const absent = affinity.find((cpu) => cpu >= topology.cpus)
  if (absent !== undefined) throw new Rejection(`${field}.affinity`, `there is no CPU ${absent}; the CPUs are 0 to ${topology.cpus - 1}`)
  const nodes = [...new Set(affinity.map((cpu) => nodeOfCpu(topology, cpu)))]
  if (nodes.length > 1)
    throw new Rejection(
      `${field}.affinity`,
      `its CPUs lie on nodes ${nodes.join(" and ")}, and a VM over several nodes is not built; name CPUs of one`,
    )
  if (node !== undefined && nodes[0] !== undefined && nodes[0] !== node)
    throw new Rejection(`${field}.affinity`, `its CPUs lie on node ${nodes[0]}, and the VM on node ${node}; name one or the other`)
  const cpus = Math.ceil(topology.cpus / topology.nodes)
  const instructions = instructionsPerTick * schedule.sliceTicks * cpus
  if (instructions > SLICE_MAX)
    throw new Rejection(
      `${field}.instructionsPerTick`,
      `${cpus} CPUs of a node would run ${instructions} instructions in a slice of ${schedule.sliceTicks} ticks, and ${SLICE_MAX} are allowed; take less, or shorter slices`,
    )
}

/** The node that a VM must be on, or null where any will do. */
export function requiredNode({ node, affinity }: VmSpec, topology: MachineSpec["topology"]): number | null {
  const [first] = affinity
  return node ?? (first === undefined ? null : nodeOfCpu(topology, first))
}

/** The CPUs of that node that may run the vCPUs. */
export function vcpuAffinity({ affinity }: VmSpec, node: number, topology: MachineSpec["topology"]): number[] {
  if (affinity.length > 0) return [...affinity]
  const { from, to } = cpusOfNode(topology, node)
  return Array.from({ length: to - from }, (_, index) => from + index)
}

export function checkVms(vms: readonly VmSpec[], spec: MachineSpec): void {
  const names = new Set<string>()
  for (const [index, vm] of vms.entries()) {
    if (names.has(vm.name)) throw new Rejection(`vms[${index}].name`, `the VM name ${vm.name} is given twice; names are unique`)
    names.add(vm.name)
    if (spec.schedule.compat === "ostep") throw new Rejection(`vms[${index}]`, "the OSTEP model knows no VMs; leave out compat: ostep")
    checkVm(vm, spec, `vms[${index}]`)
  }
}

/** As for guests: what a node has to execute at one instant is bounded. */
const SLICE_MAX = 50_000_000
