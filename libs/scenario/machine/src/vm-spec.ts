/**
 * A virtual machine of the multiprocessor: what it boots, how large it is, how it is virtualised, where it may run.
 *
 * Not here: what runs it (trap/vm-host), its life (trap/hypervisor). Kernels and disks are named by what is in them: they are too large for a
 * description, so they travel apart, by their hash.
 */
import { Type, type Static } from "typebox"

const closed = { additionalProperties: false } as const

export const PAGE_BYTES = 4096
/** VMs that a machine knows at a time. */
export const VMS_MAX = 64
/** vCPUs of one VM. */
export const VCPUS_MAX = 16
export const VM_MEMORY_BYTES_MAX = 2 ** 31
/** A kernel, a disk or a RAM disk. */
export const IMAGE_BYTES_MAX = 2 ** 29
/** Nodes that share a memory are bits of a mask (memory/coherence), and the page store takes a place. */
const SPAN_NODE_MAX = 29
/** A node runs a slice in one go; see guest-spec.ts. */
export const VM_INSTRUCTIONS_PER_TICK_MAX = 50_000_000

const Name = Type.String({ minLength: 1, maxLength: 32, pattern: "^[a-z0-9][a-z0-9-]*$", description: "unique in the machine" })

export const ImageHash = Type.String({ pattern: "^[0-9a-f]{64}$", description: "SHA-256 of the file" })

export const ImageRef = Type.Object(
  { hash: ImageHash, bytes: Type.Integer({ minimum: 1, maximum: IMAGE_BYTES_MAX }) },
  { ...closed, description: "a file by its content" },
)
export type ImageRef = Static<typeof ImageRef>

/** Of a disk that lies in the key-value store (trap/contract's disk-layout.ts). */
export const VOLUME_NAME = "^[a-z0-9][a-z0-9.@-]{0,63}$"
export const VolumeName = Type.String({ pattern: VOLUME_NAME })
export const VolumeRef = Type.Object(
  { volume: VolumeName },
  { ...closed, description: "a disk in the key-value store, by its name; it outlives node and VM" },
)
export type VolumeRef = Static<typeof VolumeRef>

/** How a disk in the store is named where files are, too. */
export const VOLUME_PREFIX = "kv:"

const DiskOf = Type.Union([ImageRef, VolumeRef])
/** A disk by its content (what is written lies over it on its node), or one in the store. */
export type DiskRef = Static<typeof DiskOf>

/** Interrupt sources of the board's PLIC. */
const PLIC_SOURCE_MAX = 95

export const VM_MODES = ["native", "trap", "assist", "para"] as const
export const VM_MMUS = ["walk", "shadow", "softtlb", "nested"] as const
export const TRAP_PATHS = ["resident", "bus"] as const

/** Fields that a scenario file and a whole description have in common. */
const COMMON = {
  name: Name,
  append: Type.Optional(Type.String({ maxLength: 2048, description: "the kernel's command line" })),
  cpus: Type.Integer({ minimum: 1, maximum: VCPUS_MAX, description: "vCPUs; all lie on one node, unless `span` says otherwise" }),
  memoryBytes: Type.Integer({
    minimum: 2 ** 20,
    maximum: VM_MEMORY_BYTES_MAX,
    multipleOf: PAGE_BYTES,
    description: "RAM, whole pages of 4096 bytes",
  }),
  mode: Type.Enum([...VM_MODES], { description: "what traps" }),
  mmu: Type.Optional(Type.Enum([...VM_MMUS], { description: "memory management; left out: that of the mode" })),
  trapPath: Type.Enum([...TRAP_PATHS], { description: "where exits are handled: in the node, or in the hypervisor over the bus" }),
  weight: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 10_000, description: "share of each vCPU under policies that know weights; not given: 100" }),
  ),
  node: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 63, description: "node where it runs; not given: the one with the fewest vCPUs" }),
  ),
  affinity: Type.Array(Type.Integer({ minimum: 0, maximum: 255 }), {
    maxItems: 256,
    description: "CPUs that may run its vCPUs, all of one node; empty: any of its node",
  }),
  span: Type.Optional(
    Type.Array(Type.Integer({ minimum: 0, maximum: SPAN_NODE_MAX }), {
      minItems: 2,
      maxItems: VCPUS_MAX,
      description:
        "nodes that it lies on: vCPU i on the node at place i modulo their number, devices on the first, its memory coherent by page, mmu nested; not given: one node",
    }),
  ),
  virtioConsole: Type.Optional(
    Type.Boolean({ description: "a virtio-console beside the UART; input goes there once the guest drives it" }),
  ),
  virtioRng: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: "a virtio-rng; the same seed gives the same bytes" })),
  irqAffinity: Type.Optional(
    Type.Array(
      Type.Object(
        {
          source: Type.Integer({ minimum: 1, maximum: PLIC_SOURCE_MAX, description: "10 is the UART, 1 to 8 are virtio" }),
          vcpus: Type.Array(Type.Integer({ minimum: 0, maximum: VCPUS_MAX - 1 }), { minItems: 1, maxItems: VCPUS_MAX }),
        },
        closed,
      ),
      { maxItems: PLIC_SOURCE_MAX, description: "which vCPUs an interrupt goes to; others go to all that enable them" },
    ),
  ),
  restartable: Type.Boolean({ description: "booted again when the node that held it is lost" }),
  instructionsPerTick: Type.Integer({
    minimum: 1,
    maximum: VM_INSTRUCTIONS_PER_TICK_MAX,
    description: "how far a vCPU gets in one tick; while it waits, its time passes by one unit a cycle",
  }),
  instructionsMax: Type.Optional(
    Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: "it is ended there, with exit code 124" }),
  ),
} as const

export const VmSpec = Type.Object(
  {
    ...COMMON,
    kernel: ImageRef,
    disk: Type.Optional(DiskOf),
    initrd: Type.Optional(ImageRef),
  },
  { ...closed, description: "a virtual machine" },
)
export type VmSpec = Static<typeof VmSpec>

export const VM_DEFAULTS = {
  cpus: 1,
  memoryBytes: 128 * 2 ** 20,
  mode: "trap",
  trapPath: "resident",
  affinity: [] as number[],
  restartable: false,
  instructionsPerTick: 200_000,
} as const

const ImageFile = Type.Union([Type.String({ minLength: 1, maxLength: 4096, description: "a file, relative to the scenario" }), ImageRef])

/** What a scenario file says of a VM. */
export const VmInput = Type.Object(
  {
    name: Name,
    kernel: ImageFile,
    disk: Type.Optional(
      Type.Union([ImageFile, VolumeRef], { description: "a file, a hash, or `kv:` and the name of a disk in the store" }),
    ),
    initrd: Type.Optional(ImageFile),
    ...Type.Partial(Type.Omit(Type.Object(COMMON), ["name"])).properties,
  },
  { ...closed, description: "a virtual machine that is there from the beginning" },
)
export type VmInput = Static<typeof VmInput>

/** Reads a file that a VM names, keeps it where nodes can get it, and says what is in it; or throws a `Rejection` of `field`. */
export type ImageFileReader = (file: string, field: string) => ImageRef

/** A vCPU as a task: what tells it from a job. */
export const VcpuRef = Type.Object(
  {
    vm: Name,
    index: Type.Integer({ minimum: 0, maximum: VCPUS_MAX - 1 }),
    life: Type.Integer({ minimum: 1, description: "which boot: grows over all VMs of the machine" }),
    frames: Type.Integer({ minimum: 0, description: "frames that are leased with it: vCPU 0 has those of the whole VM" }),
  },
  closed,
)
export type VcpuRef = Static<typeof VcpuRef>

/** What a description asks for that no machine of services has, in one line with the reason and the remedy; or null. */
export function vmModeProblem({ mode, mmu }: Pick<VmSpec, "mode" | "mmu">): string | null {
  // A native guest's physical addresses are the machine's own; it would have to be the only one.
  if (mode === "native")
    return "mode: a native guest owns its machine, and nothing would keep it out of other VMs' frames; give assist with mmu nested, or boot it alone (boot --mode native, without --sim and --live)"
  if (mmu === "walk") return "mmu: walk is that of mode native; give shadow, softtlb or nested, or leave it out"
  return null
}

/** The name of a vCPU's task, whose attempts are the lives of its VM; never that of a job, which has no dot. */
export function vcpuTask(vm: string, index: number): string {
  return `${vm}.${index}`
}
