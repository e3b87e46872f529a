/** The flags that describe a VM, and the description that they make once its images are on the stack. */
import { randomBytes } from "node:crypto"
import { reasonOf } from "@backplane/scenario-machine/schema-error"
import { SPAN_MMU } from "@backplane/scenario-machine/vm-span"
import {
  TRAP_PATHS,
  VM_DEFAULTS,
  VM_MMUS,
  VM_MODES,
  VCPUS_MAX,
  vmModeProblem,
  VmSpec,
  type DiskRef,
  type ImageRef,
} from "@backplane/scenario-machine/vm-spec"
import { Value } from "typebox/value"
import type { Command } from "commander"
import { affinityOf } from "./boot-devices.ts"
import { bad } from "./failure.ts"
import { count, sizeOption } from "./number-flags.ts"

/** Without the files, which become images. */
export interface VmFlags {
  readonly append?: string
  readonly cpus: number
  readonly memory: number
  readonly mode: string
  readonly mmu?: string
  readonly trapPath: string
  readonly weight?: number
  readonly node?: string
  readonly affinity?: string
  readonly span?: string
  readonly restartable?: true
  readonly virtioConsole?: true
  readonly virtioRng?: string
  readonly irqAffinity?: string
  readonly speed?: number
}

export interface VmImages {
  readonly kernel: ImageRef
  readonly disk?: DiskRef
  readonly initrd?: ImageRef
}

export function addVmFlags(command: Command): Command {
  return command
    .requiredOption("--kernel <file>", "ELF64 executable (starts in M-mode) or Linux Image (starts in S-mode over SBI)")
    .option(
      "--disk <file>",
      "a disk image behind virtio-blk; what the guest writes lies over it on its node, until the VM is destroyed. kv:<name>: a disk in the store",
    )
    .option("--initrd <file>", "a RAM disk")
    .option("--append <text>", "the kernel's command line")
    .option("--cpus <n>", "vCPUs", count, VM_DEFAULTS.cpus)
    .addOption(sizeOption("--memory <size>", "RAM", VM_DEFAULTS.memoryBytes))
    .option("--mode <mode>", VM_MODES.join(", "), VM_DEFAULTS.mode)
    .option("--mmu <mmu>", `${VM_MMUS.join(", ")}; left out: that of the mode`)
    .option("--trap-path <path>", "resident: exits are handled in the node; bus: by the hypervisor", VM_DEFAULTS.trapPath)
    .option("--weight <n>", "share of each vCPU under policies that know weights (not given: 100)", count)
    .option("--node <n>", "node where it runs (not given: the one with the fewest vCPUs)")
    .option("--affinity <cpus>", "CPUs that may run it, all of one node, such as 0,1")
    .option(
      "--span <nodes>",
      "nodes that it lies on, such as 0,1: vCPUs go round, devices on the first, memory coherent by page, mmu nested",
    )
    .option("--virtio-console", "a virtio-console beside the UART; input goes there once the guest drives it (Linux: console=hvc0)")
    .option("--virtio-rng <seed>", "a virtio-rng; the same seed gives the same bytes, `random` draws a seed")
    .option(
      "--irq-affinity <list>",
      "which vCPUs an interrupt goes to, such as 10:0,1:1+2 (source:vcpu+vcpu); others go to all that enable it",
    )
    .option("--restartable", "boot it again when its node is lost")
    .option("--speed <n>", "instructions of a vCPU in one tick", count)
}

const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/

/** Checked against the schema, and against the machine where it is known. */
export function vmSpecOf(name: string, flags: VmFlags, images: VmImages): VmSpec {
  const { append, cpus, memory: memoryBytes, mode, trapPath, weight, node, affinity, span, restartable, speed } = flags
  const { mmu = span === undefined ? undefined : SPAN_MMU } = flags
  if (!NAME.test(name))
    throw bad("name", `${JSON.stringify(name)} is no name for a VM; give up to 32 small letters, digits and hyphens, no hyphen first`)
  if (cpus > VCPUS_MAX) throw bad("--cpus", `${cpus} vCPUs are too many; give 1 to ${VCPUS_MAX}`)
  if (!TRAP_PATHS.some((path) => path === trapPath)) throw bad("--trap-path", `give ${TRAP_PATHS.join(" or ")}`)
  if (!VM_MODES.some((known) => known === mode)) throw bad("--mode", `give ${VM_MODES.join(", ")}`)
  if (mmu !== undefined && !VM_MMUS.some((known) => known === mmu)) throw bad("--mmu", `give ${VM_MMUS.join(", ")}`)
  const spec = {
    name,
    ...images,
    ...(append !== undefined && { append }),
    ...(mmu !== undefined && { mmu }),
    ...(weight !== undefined && { weight }),
    ...(node !== undefined && { node: wholeNumber("--node", node) }),
    ...{ cpus, memoryBytes, mode, trapPath, restartable: restartable === true },
    ...(flags.virtioConsole === true && { virtioConsole: true }),
    ...(flags.virtioRng !== undefined && {
      virtioRng: flags.virtioRng === "random" ? randomBytes(SEED_BYTES).toString("hex") : flags.virtioRng,
    }),
    ...(flags.irqAffinity !== undefined && { irqAffinity: listed(affinityOf(flags.irqAffinity, cpus), cpus) }),
    affinity: affinity === undefined ? [] : affinity.split(",").map((cpu) => wholeNumber("--affinity", cpu)),
    ...(span !== undefined && { span: span.split(",").map((each) => wholeNumber("--span", each)) }),
    instructionsPerTick: speed ?? VM_DEFAULTS.instructionsPerTick,
  }
  const [wrong] = Value.Errors(VmSpec, spec)
  if (wrong !== undefined) throw bad(flagOf(wrong.instancePath.slice(1)), reasonOf(wrong))
  const problem = vmModeProblem(spec as VmSpec)
  if (problem !== null) throw bad(`--${problem.slice(0, problem.indexOf(":"))}`, problem.slice(problem.indexOf(":") + 2))
  return spec as VmSpec
}

const SEED_BYTES = 16

/** Fields of the description that have another name than the flag that gives them. */
const FLAGS: Readonly<Record<string, string>> = {
  memoryBytes: "memory",
  instructionsPerTick: "speed",
  virtioRng: "virtio-rng",
  virtioConsole: "virtio-console",
  irqAffinity: "irq-affinity",
  instructionsMax: "max-instructions",
}

/** The same of what a machine refuses: `vm.node: …` was `--node`. */
export function byFlag(refusal: string): string {
  return refusal.replace(/^vm\.(\w+)(?=[:.])/, (_, field: string) => flagOf(field))
}

/** Whoever typed a flag is told of that, not of the field that it fills. */
function flagOf(path: string): string {
  const [field = ""] = path.split("/")
  return field === "" || field === "name" ? "name" : `--${FLAGS[field] ?? field}`
}

function listed(affinity: ReadonlyMap<number, number>, cpus: number): { readonly source: number; readonly vcpus: number[] }[] {
  const all = Array.from({ length: cpus }, (_, vcpu) => vcpu)
  return [...affinity].map(([source, mask]) => ({ source, vcpus: all.filter((vcpu) => (mask & (1 << vcpu)) !== 0) }))
}

function wholeNumber(flag: string, text: string): number {
  if (!/^\d{1,4}$/.test(text.trim())) throw bad(flag, `${text} is not a whole number`)
  return Number(text)
}
