/**
 * A virtual machine between two instructions as plain data: all of it but its memory and what lies on its disk.
 *
 * Left out is what can be made anew (shadow trees, second stage, what the engine has looked up or translated, idle loops found) and what nobody needs (books).
 * Not here: pages of memory, console streams and disks, which travel beside it (vm-move-messages.ts). 64-bit values are hexadecimal text, bytes are base64.
 */
import { DevicesRecord } from "@backplane/compute-contract/guest-state"
import { VCPUS_MAX } from "@backplane/scenario-machine/vm-spec"
import { Type, type Static } from "typebox"

const closed = { additionalProperties: false } as const
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Word = Type.Integer({ minimum: 0, maximum: 0xffff_ffff })
const Hex = Type.String({ pattern: "^0x[0-9a-f]{1,16}$", description: "unsigned 64 bits" })

/** Pages of a guest that may be given back, and are named one by one. */
const OUT_MAX = 1 << 19

export const VcpuCapture = Type.Object(
  {
    registers: Type.Array(Hex, { minItems: 32, maxItems: 32 }),
    pc: Hex,
    instret: Hex,
    csrs: Type.Array(Hex, {
      minItems: 64,
      maxItems: 256,
      description: "slots of trap/csr's file; behind the first 64 those of a software TLB",
    }),
    state: Type.Enum(["started", "stopped", "suspended"]),
    waiting: Type.Boolean({ description: "in wfi, or suspended" }),
    resume: Type.Union([Type.Object({ pc: Hex, opaque: Hex }, closed), Type.Null()]),
    executed: Count,
    trapsInPlace: Count,
    trapsNested: Count,
    fillsInPlace: Count,
    units: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: "how far it has got on the VM's clock" }),
    resting: Type.Boolean({ description: "it was last said to wait" }),
  },
  closed,
)
export type VcpuCapture = Static<typeof VcpuCapture>

const QueueCapture = Type.Object(
  { size: Word, ready: Type.Boolean(), descriptors: Hex, available: Hex, used: Hex, nextAvailable: Word, nextUsed: Word },
  closed,
)
const TransportCapture = Type.Object(
  {
    slot: Type.Integer({ minimum: 0, maximum: 7 }),
    status: Word,
    interruptStatus: Word,
    featureWord: Word,
    driverWord: Word,
    driverFeatures: Type.Tuple([Word, Word]),
    selected: Word,
    queues: Type.Array(QueueCapture, { maxItems: 8 }),
  },
  { ...closed, description: "a virtio device that has nothing under way" },
)

export const VmCapture = Type.Object(
  {
    vcpus: Type.Array(VcpuCapture, { minItems: 1, maxItems: VCPUS_MAX }),
    devices: DevicesRecord,
    virtio: Type.Array(TransportCapture, { maxItems: 8 }),
    htifReading: Type.Boolean({ description: "the guest waits for a byte of HTIF" }),
    console: Type.Object({ input: Type.String(), output: Type.String() }, { ...closed, description: "bytes that wait, base64" }),
    passed: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: "units of the VM's clock" }),
    instructions: Count,
    out: Type.Array(Count, { maxItems: OUT_MAX, description: "pages from the start of RAM that the guest has given back" }),
  },
  { ...closed, description: "a virtual machine without its memory" },
)
export type VmCapture = Static<typeof VmCapture>
