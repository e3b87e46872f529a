/** From what a scenario says of its virtual machines to whole descriptions, with the checks that need more than one field. */
import { Rejection } from "./rejection.ts"
import { cpusOfNode, nodeOfCpu } from "./topology.ts"
import { checkSpan, SPAN_MMU } from "./vm-span.ts"
import {
  VM_DEFAULTS,
  VOLUME_NAME,
  VOLUME_PREFIX,
  type DiskRef,
  type ImageFileReader,
  type ImageRef,
  type VmInput,
  type VmSpec,
} from "./vm-spec.ts"
import type { MachineSpec } from "./machine-spec.ts"

export function resolveVm({ kernel, disk, initrd, ...given }: VmInput, field: string, readImage: ImageFileReader | undefined): VmSpec {
  const image = (of: string | ImageRef, name: string): ImageRef => {
    if (typeof of !== "string") return of
    if (readImage === undefined) throw new Rejection(`${field}.${name}`, "files cannot be read here; give hash and size of the image")
    return readImage(of, `${field}.${name}`)
  }
  const diskOf = (of: string | DiskRef): DiskRef => {
    if (typeof of !== "string") return of
    return of.startsWith(VOLUME_PREFIX) ? volumeNamed(of.slice(VOLUME_PREFIX.length), `${field}.disk`) : image(of, "disk")
  }
  return {
    ...VM_DEFAULTS,
    ...given,
    affinity: [...(given.affinity ?? [])],
    ...(given.span !== undefined && { span: [...given.span], mmu: given.mmu ?? SPAN_MMU }),
    kernel: image(kernel, "kernel"),
    ...(disk !== undefined && { disk: diskOf(disk) }),
    ...(initrd !== undefined && { initrd: image(initrd, "initrd") }),
  }
}

/** A disk in the store by its name, or a `Rejection` of `field`. */
export function volumeNamed(name: string, field: string): DiskRef {
  if (new RegExp(VOLUME_NAME).test(name)) return { volume: name }
  throw new Rejection(field, `${JSON.stringify(name)} is no name of a disk in the store; names are a-z, 0-9, ., @ and -`)
}

/** Throws a `Rejection` for a VM that no node of the machine could ever run. Also asked for VMs that an operator brings later. */
export function checkVm(vm: VmSpec, spec: Pick<MachineSpec, "topology" | "schedule" | "clock" | "memory">, field: string): void {
  const { topology, schedule, clock } = spec
  const { node, affinity, instructionsPerTick } = vm
  checkSpan(vm, spec, field)
  if (node !== undefined && node >= topology.nodes)
    throw new Rejection(`${field}.node`, `there is no node ${node}; the nodes are 0 to ${topology.nodes - 1}`)
  if (vm.disk !== undefined && "volume" in vm.disk && clock.mode === "lock-step")
    throw new Rejection(`${field}.disk`, "the store keeps no lock-step with a machine; give clock.mode free, or a file")
  for (const { source, vcpus } of vm.irqAffinity ?? [])
    for (const vcpu of vcpus)
      if (vcpu >= vm.cpus)
        throw new Rejection(`${field}.irqAffinity`, `interrupt ${source} cannot go to vCPU ${vcpu}; the vCPUs are 0 to ${vm.cpus - 1}`)
  const absent = affinity.find((cpu) => cpu >= topology.cpus)
  if (absent !== undefined) throw new Rejection(`${field}.affinity`, `there is no CPU ${absent}; the CPUs are 0 to ${topology.cpus - 1}`)
  const nodes = [...new Set(affinity.map((cpu) => nodeOfCpu(topology, cpu)))]
  if (nodes.length > 1)
    throw new Rejection(
      `${field}.affinity`,
      `its CPUs lie on nodes ${nodes.join(" and ")}, and a vCPU's affinity is one node's; name CPUs of one, or give \`span\` for a VM over several`,
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

/** The node that a VM must be on, or null where any will do; of a VM over several, the one with its devices. */
export function requiredNode({ node, affinity, span }: VmSpec, topology: MachineSpec["topology"]): number | null {
  if (span?.[0] !== undefined) return span[0]
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
