/**
 * Leases of machine frames. A task may run only when the frames of its working set are leased; the lease lies on the node that
 * first held the task (first touch) and ends with the task.
 */
import { Type, type Static } from "typebox"

const closed = { additionalProperties: false } as const
const Node = Type.Integer({ minimum: 0, maximum: 63 })
const Owner = Type.String({ minLength: 1, maxLength: 64, description: "the task that the frames are for" })
const Attempt = Type.Integer({ minimum: 1, description: "which life of the task" })
const Frames = Type.Integer({ minimum: 0, description: "number of frames" })
const Incarnation = Type.Integer({ minimum: 1, description: "life of the node" })

export const Lease = Type.Object({ owner: Owner, attempt: Attempt, frames: Frames, home: Node }, closed)
export type Lease = Static<typeof Lease>

export const FrameLeaseAsk = Type.Object(
  { kind: Type.Literal("FrameLeaseAsk"), node: Node, incarnation: Incarnation, owner: Owner, attempt: Attempt, frames: Frames },
  { ...closed, description: "node → memory controller: frames for a task that starts here" },
)
export const FrameLeaseGrant = Type.Object(
  { kind: Type.Literal("FrameLeaseGrant"), lease: Lease },
  { ...closed, description: "memory controller → node: the frames are yours; the task may run" },
)
export const FrameLeaseRefusal = Type.Object(
  { kind: Type.Literal("FrameLeaseRefusal"), owner: Owner, attempt: Attempt, reason: Type.String({ maxLength: 200 }) },
  { ...closed, description: "memory controller → node: no frames, and why" },
)
export const FrameRelease = Type.Object(
  { kind: Type.Literal("FrameRelease"), owner: Owner, attempt: Attempt },
  { ...closed, description: "node → memory controller: the task is over; repeated until seen" },
)
export const FrameReleased = Type.Object(
  { kind: Type.Literal("FrameReleased"), owner: Owner, attempt: Attempt },
  { ...closed, description: "memory controller → node: the lease is over; repeat the release no more" },
)
export const MemoryUp = Type.Object(
  { kind: Type.Literal("MemoryUp"), incarnation: Incarnation },
  { ...closed, description: "memory controller → node: I have forgotten all; tell me your leases. Repeated until told." },
)
export const LeaseReport = Type.Object(
  {
    kind: Type.Literal("LeaseReport"),
    node: Node,
    incarnation: Incarnation,
    memoryIncarnation: Type.Integer({ minimum: 0 }),
    leases: Type.Array(Lease, { maxItems: 10_000 }),
  },
  { ...closed, description: "node → memory controller: all the leases whose tasks lie here" },
)

export const NodeGone = Type.Object(
  { kind: Type.Literal("NodeGone"), node: Node, incarnation: Incarnation },
  {
    ...closed,
    description: "hypervisor → memory controller: this life of the node is over, and what lay there is gone; repeated until seen",
  },
)
export const NodeGoneSeen = Type.Object(
  { kind: Type.Literal("NodeGoneSeen"), node: Node, incarnation: Incarnation },
  { ...closed, description: "memory controller → hypervisor: noted" },
)

export const SpaceShared = Type.Object(
  {
    kind: Type.Literal("SpaceShared"),
    space: Type.String({ minLength: 1, maxLength: 64, description: "a memory of several nodes; tasks say which they run in" }),
    nodes: Type.Array(Node, { maxItems: 64 }),
  },
  {
    ...closed,
    description:
      "memory controller → hypervisor: CPUs of these nodes write the same pages of this memory in turn, so its tasks there had better run near by; none: not any more. A hint, said again while it is so",
  },
)
export type SpaceShared = Static<typeof SpaceShared>

export const SpaceMoved = Type.Object(
  {
    kind: Type.Literal("SpaceMoved"),
    space: Type.String({ minLength: 1, maxLength: 64, description: "a memory of several nodes; tasks say which they run in" }),
    from: Node,
    to: Node,
  },
  {
    ...closed,
    description:
      "hypervisor → memory controller: the last task of this memory that ran on one node runs on another now. A hint, said once: where it is lost, counters find out",
  },
)
export type SpaceMoved = Static<typeof SpaceMoved>

export type FrameLeaseAsk = Static<typeof FrameLeaseAsk>
export type FrameLeaseGrant = Static<typeof FrameLeaseGrant>
export type FrameLeaseRefusal = Static<typeof FrameLeaseRefusal>
export type FrameRelease = Static<typeof FrameRelease>
export type FrameReleased = Static<typeof FrameReleased>
export type MemoryUp = Static<typeof MemoryUp>
export type LeaseReport = Static<typeof LeaseReport>

export type NodeGone = Static<typeof NodeGone>
export type NodeGoneSeen = Static<typeof NodeGoneSeen>

export const memoryMessages = {
  FrameLeaseAsk,
  FrameLeaseGrant,
  FrameLeaseRefusal,
  FrameRelease,
  FrameReleased,
  MemoryUp,
  LeaseReport,
  NodeGone,
  NodeGoneSeen,
  SpaceShared,
  SpaceMoved,
} as const
