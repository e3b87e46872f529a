/**
 * What the nodes of one virtual machine that lies on several say to each other beside its pages: accesses to its devices, which are at its home
 * (the first of its nodes), calls of its firmware, and what both do to vCPUs elsewhere.
 *
 * A message is numbered by sender and receiver, said again until it is seen, and handed on in order and once. 64-bit values are hexadecimal text.
 */
import { Type, type Static } from "typebox"
import { VM_NAME_CHARACTERS_MAX } from "./vm-messages.ts"

const closed = { additionalProperties: false } as const
const Vm = Type.String({ minLength: 1, maxLength: VM_NAME_CHARACTERS_MAX })
const Life = Type.Integer({ minimum: 1, description: "which life; grows over all VMs of the machine" })
const Node = Type.Integer({ minimum: 0, maximum: 63 })
const Vcpu = Type.Integer({ minimum: 0, maximum: 15 })
const Hex = Type.String({ pattern: "^0x[0-9a-f]{1,16}$", description: "unsigned 64 bits" })
const Sequence = Type.Integer({ minimum: 1, description: "+1 for each question" })
const Place = Type.Object({ pc: Hex, opaque: Hex }, closed)

/** Of one node for another that may wait to be seen; who has more is stuck, and its VM ends. */
export const LINK_WAITING_MAX = 1_024

const LinkBody = Type.Union([
  Type.Object(
    {
      of: Type.Literal("io"),
      vcpu: Vcpu,
      sequence: Sequence,
      address: Hex,
      width: Type.Enum([1, 2, 4, 8]),
      value: Type.Union([Hex, Type.Null()], { description: "what is stored; null: a load" }),
    },
    { ...closed, description: "to the home: this vCPU uses a device, and waits" },
  ),
  Type.Object(
    {
      of: Type.Literal("io-done"),
      vcpu: Vcpu,
      sequence: Sequence,
      value: Hex,
      absent: Type.Boolean({ description: "there is no device" }),
    },
    { ...closed, description: "from the home" },
  ),
  Type.Object(
    {
      of: Type.Literal("call"),
      vcpu: Vcpu,
      sequence: Sequence,
      registers: Type.Array(Hex, { minItems: 8, maxItems: 8, description: "a0 to a7" }),
    },
    { ...closed, description: "to the home: a call of the firmware (SBI) that is not about this vCPU alone" },
  ),
  Type.Object(
    {
      of: Type.Literal("call-done"),
      vcpu: Vcpu,
      sequence: Sequence,
      error: Hex,
      value: Type.Union([Hex, Type.Null()], { description: "for a1; null leaves it" }),
      state: Type.Union([Type.Enum(["stopped", "suspended"]), Type.Null()], {
        description: "what the caller is from now on; null: what it was",
      }),
      resume: Type.Union([Place, Type.Null()], { description: "where one that is suspended begins anew" }),
    },
    { ...closed, description: "from the home" },
  ),
  Type.Object(
    { of: Type.Literal("lines"), vcpu: Vcpu, lines: Hex },
    { ...closed, description: "from the home: the levels of its interrupt wires, as bits of mip" },
  ),
  Type.Object(
    { of: Type.Literal("begin"), vcpu: Vcpu, pc: Hex, opaque: Hex },
    { ...closed, description: "from the home: it starts there" },
  ),
  Type.Object(
    { of: Type.Literal("software"), vcpu: Vcpu, pending: Type.Boolean() },
    { ...closed, description: "from the home: its supervisor software interrupt" },
  ),
  Type.Object(
    { of: Type.Literal("fence"), vcpus: Type.Array(Vcpu, { maxItems: 16 }), sequence: Sequence },
    { ...closed, description: "from the home: these forget all translations" },
  ),
  Type.Object({ of: Type.Literal("fenced"), sequence: Sequence }, { ...closed, description: "to the home: they have" }),
  Type.Object(
    { of: Type.Literal("end"), exit: Type.Integer({ minimum: 0 }), reason: Type.Enum(["finisher", "shutdown", "reset", "stuck"]) },
    { ...closed, description: "the guest has ended its machine, or cannot go on" },
  ),
])
export type LinkBody = Static<typeof LinkBody>

export const VmLink = Type.Object(
  { kind: Type.Literal("VmLink"), vm: Vm, life: Life, node: Node, number: Type.Integer({ minimum: 1 }), body: LinkBody },
  { ...closed, description: "node → node: of a VM that lies on both; repeated until seen" },
)
export const VmLinkSeen = Type.Object(
  { kind: Type.Literal("VmLinkSeen"), vm: Vm, life: Life, node: Node, below: Type.Integer({ minimum: 1 }) },
  { ...closed, description: "node → node: everything below this number has come" },
)

export const vmSpanMessages = { VmLink, VmLinkSeen } as const
export type VmLink = Static<typeof VmLink>
export type VmLinkSeen = Static<typeof VmLinkSeen>
