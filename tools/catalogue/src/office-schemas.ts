/**
 * Requests about whole machines on `bp.ctl.machines`, as JSON Schema.
 *
 * Written by hand beside the hypervisor app's `office-protocol.ts`, whose parser is the truth; a test in that app holds both together.
 */
import { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { base64Schema } from "@backplane/scenario-machine/guest-spec"
import { IMAGE_BYTES_MAX, ImageHash } from "@backplane/scenario-machine/vm-spec"
import { Type } from "typebox"
import { ActorName, Incarnation, Instance, open, Refused, Whole } from "./schema-parts.ts"

const ImageBytes = Type.Integer({ minimum: 1, maximum: IMAGE_BYTES_MAX, description: "bytes of the whole image" })
const Machine = Type.String({ description: "name of a machine" })

export const OfficeRequest = Type.Union(
  [
    Type.Object(
      { op: Type.Literal("create"), spec: MachineSpec },
      { ...open, description: "make this machine; waits until its services are there" },
    ),
    Type.Object({ op: Type.Literal("destroy"), machine: Machine }, { ...open, description: "take this machine down" }),
    Type.Object({ op: Type.Literal("list") }, { ...open, description: "which machines and processes are there?" }),
    Type.Object(
      { op: Type.Literal("inspect"), machine: Machine, actor: ActorName },
      { ...open, description: "what does this actor know?" },
    ),
    Type.Object(
      {
        op: Type.Literal("image"),
        hash: ImageHash,
        total: ImageBytes,
        offset: Whole("first byte of the piece"),
        data: base64Schema(2 ** 20),
      },
      { ...open, description: "a piece of a kernel or disk, the next after what is here; without data it only asks how much is here" },
    ),
  ],
  { description: "operator → hypervisor: make, end, list machines, or look into one" },
)

const ListedMachine = Type.Object({
  machine: Machine,
  mode: Type.Enum(["lock-step", "free"]),
  policy: Type.String(),
  nodes: Whole("nodes", 1),
  cpus: Whole("CPUs", 1),
  ready: Type.Boolean({ description: "every actor is hosted" }),
  actors: Type.Array(Type.Object({ actor: ActorName, instance: Instance, epoch: Whole("life of the actor", 1), running: Type.Boolean() })),
})

export const OfficeReply = Type.Union(
  [
    Type.Object({ ok: Type.Literal(true), machine: Machine }, { description: "answers create and destroy" }),
    Type.Object(
      {
        ok: Type.Literal(true),
        machines: Type.Array(ListedMachine),
        instances: Type.Array(Type.Object({ service: Type.String(), instance: Instance, incarnation: Incarnation })),
      },
      { description: "answers list" },
    ),
    Type.Object(
      { ok: Type.Literal(true), op: Type.Literal("inspect"), machine: Machine, actor: ActorName, state: Type.Unknown() },
      { description: "answers inspect" },
    ),
    Type.Object(
      { ok: Type.Literal(true), op: Type.Literal("image"), hash: ImageHash, have: Whole("bytes that are here") },
      { description: "answers image" },
    ),
    Refused,
  ],
  { description: "hypervisor → operator: the answer to an OfficeRequest" },
)
