/**
 * A virtual machine that moves to another node: pre-copy, then stop and copy.
 *
 * The target prepares first; then it fetches memory from the source, piece by piece, while the guest runs on; when little is left the source stops, and the target
 * fetches what it stopped with; then the hypervisor decides. It alone says who goes on, on disk before anybody is told: nobody else begins or resumes a life, so there
 * is never more than one. On the target the VM has a new life, by which all that belongs to the source's is known to be void. Every message is repeated until
 * answered, and does nothing twice.
 */
import { base64Schema } from "@backplane/scenario-machine/guest-spec"
import { VmSpec } from "@backplane/scenario-machine/vm-spec"
import { Type, type Static } from "typebox"
import { VmCapture } from "./vm-capture.ts"
import { VM_NAME_CHARACTERS_MAX } from "./vm-messages.ts"

const closed = { additionalProperties: false } as const
const Vm = Type.String({ minLength: 1, maxLength: VM_NAME_CHARACTERS_MAX })
const Life = Type.Integer({ minimum: 1, description: "which life; grows over all VMs of the machine" })
const Move = Type.Integer({ minimum: 1, description: "the move's epoch: the life that the VM has on the target" })
const Node = Type.Integer({ minimum: 0, maximum: 63 })
const Incarnation = Type.Integer({ minimum: 1, description: "life of the node" })
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Part = Type.Integer({ minimum: 0, maximum: 1 << 20, description: "which piece, in the order in which the source made them" })

/** Of the memory in one message: 128 KiB. */
export const PAGES_PER_PART = 32
/** Of a disk over an image in one message, in the pieces in which nodes keep them. */
export const DISK_PIECES_PER_PART = 32
/** Asked for at a time. */
export const PARTS_UNDER_WAY_MAX = 4
/** Of a page, in base64. */
const DISK_PIECE_TEXT_MAX = 8192

export const VmMoveIn = Type.Object(
  { kind: Type.Literal("VmMoveIn"), vm: VmSpec, life: Life, firstLife: Life, incarnation: Incarnation, from: Node, fromLife: Life },
  {
    ...closed,
    description:
      "hypervisor → node: to the target: keep room for this VM, which is coming from that node, and fetch it as soon as it stops there; repeated until taken or given up",
  },
)
export const VmMoveReady = Type.Object(
  { kind: Type.Literal("VmMoveReady"), vm: Vm, life: Life, node: Node, have: Count },
  { ...closed, description: "node → hypervisor: from the target: there is room, and so many pieces are here" },
)
export const VmMoveOut = Type.Object(
  { kind: Type.Literal("VmMoveOut"), vm: Vm, life: Life, move: Move, to: Node },
  {
    ...closed,
    description:
      "hypervisor → node: to the source: let the target fetch this VM, and stop it when little is left to be fetched; repeated until it is taken or the move is given up",
  },
)
export const VmMoveRefused = Type.Object(
  { kind: Type.Literal("VmMoveRefused"), vm: Vm, life: Life, move: Move, node: Node, reason: Type.String({ maxLength: 200 }) },
  { ...closed, description: "node → hypervisor: from the source: it cannot move from here, and why" },
)
export const VmMoveStopped = Type.Object(
  { kind: Type.Literal("VmMoveStopped"), vm: Vm, life: Life, move: Move, node: Node },
  { ...closed, description: "node → hypervisor: from the source: it runs no more; said again when the move is" },
)
export const VmPartAsk = Type.Object(
  { kind: Type.Literal("VmPartAsk"), vm: Vm, life: Life, move: Move, part: Part, node: Node },
  {
    ...closed,
    description:
      "node → node: from target to source: this piece of the VM; pieces of memory come while it runs, the others when it has stopped",
  },
)

const Console = Type.Object(
  {
    first: Type.String({ description: "base64: the first bytes of all" }),
    unseen: Type.String({ description: "base64: from byte `seen` on, those that the hypervisor has not confirmed" }),
    seen: Count,
    taken: Type.Integer({ minimum: 0, description: "bytes of input" }),
  },
  { ...closed, description: "the streams of its console, which go on" },
)
const Content = Type.Union([
  Type.Object(
    {
      of: Type.Literal("state"),
      state: VmCapture,
      console: Console,
      entropyDrawn: Type.Integer({ minimum: 0, description: "bytes that its virtio-rng has given" }),
      diskSectors: Type.Union([Count, Type.Null()], { description: "null: it has no disk" }),
      parts: Type.Integer({ minimum: 1, description: "how many there are of all, with this one" }),
      pages: Count,
    },
    closed,
  ),
  Type.Object(
    {
      of: Type.Literal("pages"),
      pages: Type.Array(Count, { maxItems: PAGES_PER_PART, description: "numbers from the start of RAM, ascending" }),
      data: base64Schema(PAGES_PER_PART * 4096),
    },
    {
      ...closed,
      description:
        "pages of its memory; those that are not sent hold zeros, of those that are sent several times the last piece holds good",
    },
  ),
  Type.Object(
    {
      of: Type.Literal("disk"),
      pieces: Type.Array(Type.Tuple([Count, Type.String({ maxLength: DISK_PIECE_TEXT_MAX })]), { maxItems: DISK_PIECES_PER_PART }),
    },
    { ...closed, description: "what it has written over the image of its disk" },
  ),
])
export type VmPartContent = Static<typeof Content>

export const VmPart = Type.Object(
  { kind: Type.Literal("VmPart"), vm: Vm, move: Move, part: Part, content: Content },
  {
    ...closed,
    description:
      "node → node: from source to target: the piece; the first is said once without being asked for, and the one with the state",
  },
)
export const VmMoveTaken = Type.Object(
  { kind: Type.Literal("VmMoveTaken"), vm: Vm, life: Life, node: Node, parts: Count, pages: Count, bytes: Count },
  {
    ...closed,
    description:
      "node → hypervisor: from the target: all of it is here, its disk's writes on this node's disk; it does not run. Repeated until placed or destroyed",
  },
)
export const VmMoveOff = Type.Object(
  { kind: Type.Literal("VmMoveOff"), vm: Vm, life: Life, move: Move },
  {
    ...closed,
    description:
      "hypervisor → node: to the source: this move is given up, go on where you stopped; repeated until seen. A later word of the move is void",
  },
)
export const VmMoveOffSeen = Type.Object(
  { kind: Type.Literal("VmMoveOffSeen"), vm: Vm, life: Life, move: Move, node: Node },
  { ...closed, description: "node → hypervisor: from the source: it goes on" },
)

export const vmMoveMessages = {
  VmMoveIn,
  VmMoveReady,
  VmMoveOut,
  VmMoveRefused,
  VmMoveStopped,
  VmPartAsk,
  VmPart,
  VmMoveTaken,
  VmMoveOff,
  VmMoveOffSeen,
} as const

export type VmMoveIn = Static<typeof VmMoveIn>
export type VmMoveReady = Static<typeof VmMoveReady>
export type VmMoveOut = Static<typeof VmMoveOut>
export type VmMoveRefused = Static<typeof VmMoveRefused>
export type VmMoveStopped = Static<typeof VmMoveStopped>
export type VmPartAsk = Static<typeof VmPartAsk>
export type VmPart = Static<typeof VmPart>
export type VmMoveTaken = Static<typeof VmMoveTaken>
export type VmMoveOff = Static<typeof VmMoveOff>
export type VmMoveOffSeen = Static<typeof VmMoveOffSeen>

export type VmMoveToNode = VmMoveIn | VmMoveOut | VmMoveOff | VmPartAsk | VmPart
export type VmMoveFromNode = VmMoveReady | VmMoveRefused | VmMoveStopped | VmMoveTaken | VmMoveOffSeen
