/**
 * Exits of a VM whose exits are handled by the hypervisor (`--trap-path bus`): the node asks, the vCPU waits, the answer says how it goes on.
 *
 * The question has all that its handler needs: the vCPU's virtual privileged state, the instruction and its operands. So the handler keeps
 * nothing between two exits, a repeat gets the same answer, and a hypervisor that begins anew goes on with the next. 64-bit values are
 * hexadecimal text.
 */
import { Type, type Static } from "typebox"

const closed = { additionalProperties: false } as const
const Vm = Type.String({ minLength: 1, maxLength: 32 })
const Life = Type.Integer({ minimum: 1, description: "which boot" })
const Vcpu = Type.Integer({ minimum: 0, maximum: 15 })
const Sequence = Type.Integer({ minimum: 1, description: "+1 for each exit of the vCPU that is asked about" })
const Hex = Type.String({ pattern: "^0x[0-9a-f]{1,16}$", description: "unsigned 64 bits" })
const Word = Type.Integer({ minimum: 0, maximum: 0xffff_ffff })
/** Slots of trap/csr's file, those of the software TLB after them. */
const Slots = Type.Array(Type.Tuple([Type.Integer({ minimum: 0, maximum: 255 }), Hex]), { maxItems: 256 })
const Cause = Type.String({ minLength: 1, maxLength: 48 })

export const EXIT_KINDS = ["interrupt", "exception", "system", "io-load", "io-store", "watch", "tlb-miss", "stage-miss", "frame"] as const

export const VmExit = Type.Object(
  {
    kind: Type.Literal("VmExit"),
    vm: Vm,
    life: Life,
    vcpu: Vcpu,
    sequence: Sequence,
    node: Type.Integer({ minimum: 0, maximum: 63 }),
    exit: Type.Object(
      {
        kind: Type.Enum([...EXIT_KINDS]),
        pc: Hex,
        cause: Type.Optional(Type.Integer({ minimum: 0, maximum: 63, description: "of an exception or interrupt, as in mcause" })),
        value: Type.Optional(Hex),
        instruction: Type.Optional(Word),
        length: Type.Optional(Type.Enum([2, 4], { description: "bytes of the instruction" })),
        rs1: Type.Optional(Hex),
        rs2: Type.Optional(Hex),
        address: Type.Optional(Hex),
      },
      closed,
    ),
    instret: Hex,
    time: Hex,
    csrs: Type.Unsafe<Static<typeof Slots>>({ ...Slots, description: "the vCPU's privileged state: the slots that are not zero" }),
    softwareTlb: Type.Boolean({ description: "it has one, in the slots after the CSRs" }),
    step: Type.Optional(Type.Integer({ minimum: 1, maximum: 7, description: "of OSTEP's table B.3 or B.5, where its trap is traced" })),
    firmware: Type.Boolean({ description: "calls from S-mode are for the firmware (SBI) or the VMM (hypercalls) in the node" }),
  },
  { ...closed, description: "node → hypervisor: this vCPU left its CPU with this cause; how does it go on? Repeated until answered" },
)
export type VmExit = Static<typeof VmExit>

const Decided = Type.Object(
  {
    by: Type.Literal("hypervisor"),
    cause: Cause,
    step: Type.Enum(["next", "jump", "trap"], {
      description: "next: it retires; jump: it retires and goes on at pc; trap: it does not, the guest's handler goes on at pc",
    }),
    pc: Type.Optional(Hex),
    result: Type.Optional(Hex),
    waits: Type.Boolean({ description: "wfi: give the CPU away until an interrupt is pending" }),
    csrs: Type.Unsafe<Static<typeof Slots>>({ ...Slots, description: "the slots that have changed" }),
    translation: Type.Array(Type.Enum(["moved", "protection", "tlb", "fence"]), {
      maxItems: 4,
      description: "what its translation must look at again",
    }),
    fence: Type.Optional(Type.Object({ address: Type.Union([Hex, Type.Null()]), addressSpace: Type.Union([Hex, Type.Null()]) }, closed)),
  },
  closed,
)
export const VmEntry = Type.Object(
  {
    kind: Type.Literal("VmEntry"),
    vm: Vm,
    life: Life,
    vcpu: Vcpu,
    sequence: Sequence,
    answer: Type.Union([
      Decided,
      Type.Object(
        { by: Type.Literal("node") },
        { ...closed, description: "it needs the guest's memory or a device beside it: the node does it itself" },
      ),
    ]),
  },
  { ...closed, description: "hypervisor → node: so the vCPU goes on" },
)
export type VmEntry = Static<typeof VmEntry>
export type DecidedExit = Static<typeof Decided>

export const vmExitMessages = { VmExit, VmEntry } as const
