/**
 * Virtual machines between the hypervisor, which owns their lives, and the node that runs one.
 *
 * A life is one boot of a VM on one node; what belongs to another life is void. Console streams are counted in bytes from the beginning
 * of the life, so that a repeat and a gap are known. Bytes are base64.
 */
import { base64Schema } from "@backplane/scenario-machine/guest-spec"
import { ImageHash, VmSpec } from "@backplane/scenario-machine/vm-spec"
import { Type, type Static } from "typebox"
import type { VmEntry, VmExit } from "./vm-exit-messages.ts"
import type { VmMoveFromNode, VmMoveToNode, VmPart, VmPartAsk } from "./vm-move-messages.ts"
import type { VmLink, VmLinkSeen } from "./vm-span-messages.ts"

const closed = { additionalProperties: false } as const
export const VM_NAME_CHARACTERS_MAX = 32
/** Of one VM that may be traced at a time. */
export const TRAPS_TRACED_MAX = 10_000
const Vm = Type.String({ minLength: 1, maxLength: VM_NAME_CHARACTERS_MAX })
const Life = Type.Integer({ minimum: 1, description: "which boot; grows over all VMs of the machine" })
const Node = Type.Integer({ minimum: 0, maximum: 63 })
const Incarnation = Type.Integer({ minimum: 1, description: "life of the node" })
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Reason = Type.String({ maxLength: 200 })

/** Of an image in one message. */
export const IMAGE_CHUNK_BYTES = 256 * 1024
/** Of a console in one message. */
export const CONSOLE_CHUNK_BYTES = 16 * 1024

export const VmPlace = Type.Object(
  { kind: Type.Literal("VmPlace"), vm: VmSpec, life: Life, firstLife: Life, incarnation: Incarnation },
  {
    ...closed,
    description:
      "hypervisor → node: make this VM here, ready to run; repeated until placed or refused. What its disk got since `firstLife` is still on it",
  },
)
export const VmPlaced = Type.Object(
  { kind: Type.Literal("VmPlaced"), vm: Vm, life: Life, node: Node },
  { ...closed, description: "node → hypervisor: it lies here, its vCPUs may be submitted" },
)
export const VmRefused = Type.Object(
  { kind: Type.Literal("VmRefused"), vm: Vm, life: Life, node: Node, reason: Reason },
  { ...closed, description: "node → hypervisor: it cannot run here, and why" },
)
export const VmControl = Type.Object(
  {
    kind: Type.Literal("VmControl"),
    vm: Vm,
    life: Life,
    seq: Type.Integer({ minimum: 1, description: "+1 for each change" }),
    want: Type.Enum(["running", "paused", "stopped", "destroyed"], { description: "stopped: its disk is kept; destroyed: nothing is" }),
  },
  { ...closed, description: "hypervisor → node: this is how it shall be; repeated until it is" },
)
export const VmControlled = Type.Object(
  { kind: Type.Literal("VmControlled"), vm: Vm, life: Life, seq: Type.Integer({ minimum: 1 }), node: Node },
  { ...closed, description: "node → hypervisor: so it is" },
)
export const ImageAsk = Type.Object(
  { kind: Type.Literal("ImageAsk"), hash: ImageHash, offset: Count, node: Node },
  { ...closed, description: "node → hypervisor: this image from here on; the piece that comes next is asked for when this one is there" },
)
export const ImageChunk = Type.Object(
  { kind: Type.Literal("ImageChunk"), hash: ImageHash, offset: Count, total: Count, data: base64Schema(IMAGE_CHUNK_BYTES) },
  { ...closed, description: "hypervisor → node: a piece of the image" },
)
export const ImageUnknown = Type.Object(
  { kind: Type.Literal("ImageUnknown"), hash: ImageHash },
  { ...closed, description: "hypervisor → node: nobody has brought such an image" },
)
export const VmOutput = Type.Object(
  { kind: Type.Literal("VmOutput"), vm: Vm, life: Life, offset: Count, data: base64Schema(CONSOLE_CHUNK_BYTES) },
  { ...closed, description: "node → hypervisor: what the guest wrote to its console, from that byte on; repeated until seen" },
)
export const VmOutputSeen = Type.Object(
  { kind: Type.Literal("VmOutputSeen"), vm: Vm, life: Life, upTo: Count },
  { ...closed, description: "hypervisor → node: noted up to this byte" },
)
export const VmInput = Type.Object(
  { kind: Type.Literal("VmInput"), vm: Vm, life: Life, offset: Count, data: base64Schema(CONSOLE_CHUNK_BYTES) },
  { ...closed, description: "hypervisor → node: typed at its console, from that byte on; repeated until taken" },
)
export const VmInputTaken = Type.Object(
  { kind: Type.Literal("VmInputTaken"), vm: Vm, life: Life, upTo: Count },
  { ...closed, description: "node → hypervisor: the guest's console has it up to this byte; less where it reads slowly" },
)

export const VmTrace = Type.Object(
  {
    kind: Type.Literal("VmTrace"),
    vm: Vm,
    life: Life,
    request: Type.String({ minLength: 1, maxLength: 64 }),
    traps: Type.Integer({ minimum: 1, maximum: TRAPS_TRACED_MAX }),
  },
  {
    ...closed,
    description:
      "hypervisor → node: trace the next so many traps of this VM, whatever else is traced; a lost one is asked for again by the operator",
  },
)
export type VmTrace = Static<typeof VmTrace>

export const vmMessages = {
  VmTrace,
  VmPlace,
  VmPlaced,
  VmRefused,
  VmControl,
  VmControlled,
  ImageAsk,
  ImageChunk,
  ImageUnknown,
  VmOutput,
  VmOutputSeen,
  VmInput,
  VmInputTaken,
} as const

export type VmPlace = Static<typeof VmPlace>
export type VmPlaced = Static<typeof VmPlaced>
export type VmRefused = Static<typeof VmRefused>
export type VmControl = Static<typeof VmControl>
export type VmControlled = Static<typeof VmControlled>
export type ImageAsk = Static<typeof ImageAsk>
export type ImageChunk = Static<typeof ImageChunk>
export type ImageUnknown = Static<typeof ImageUnknown>
export type VmOutput = Static<typeof VmOutput>
export type VmOutputSeen = Static<typeof VmOutputSeen>
export type VmInput = Static<typeof VmInput>
export type VmInputTaken = Static<typeof VmInputTaken>

/** What nodes say to each other of a VM that moves, or that lies on several. */
export type VmToPeer = VmPartAsk | VmPart | VmLink | VmLinkSeen
/** What the node that runs VMs hears of them, and says. */
export type VmToNode =
  VmPlace | VmControl | ImageChunk | ImageUnknown | VmOutputSeen | VmInput | VmEntry | VmTrace | VmMoveToNode | VmLink | VmLinkSeen
export type VmFromNode = VmPlaced | VmRefused | VmControlled | ImageAsk | VmOutput | VmInputTaken | VmExit | VmMoveFromNode
