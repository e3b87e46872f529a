/**
 * What an operator (the command line, the gateway) asks of a hypervisor about virtual machines and their consoles.
 *
 * Every question carries a request of its own; a repeat of it is answered again and does nothing twice.
 */
import { GuestOutcome } from "@backplane/compute-contract/guest-state"
import { base64Schema } from "@backplane/scenario-machine/guest-spec"
import { VMS_MAX, VmSpec } from "@backplane/scenario-machine/vm-spec"
import { Type, type Static } from "typebox"
import { CONSOLE_CHUNK_BYTES, TRAPS_TRACED_MAX, VM_NAME_CHARACTERS_MAX } from "./vm-messages.ts"

const closed = { additionalProperties: false } as const
const Request = Type.String({ minLength: 1, maxLength: 64 })
const Vm = Type.String({ minLength: 1, maxLength: VM_NAME_CHARACTERS_MAX })
const Node = Type.Integer({ minimum: 0, maximum: 63 })
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Reason = Type.String({ maxLength: 300 })

export const VM_OPERATIONS = ["start", "pause", "resume", "stop", "destroy"] as const
export type VmOperation = (typeof VM_OPERATIONS)[number]

export const VM_STATES = ["stopped", "placing", "running", "paused", "moving", "stopping", "ended", "lost", "refused"] as const
export type VmState = (typeof VM_STATES)[number]

export const VmMoved = Type.Object(
  {
    from: Node,
    to: Node,
    verdict: Type.Enum(["under-way", "moved", "given-up"], {
      description: "given-up: it goes on where it was, or has ended or been lost there",
    }),
    reason: Type.String({ maxLength: 200, description: "why it was given up" }),
    pages: Count,
    bytes: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: "of memory and disk that were sent" }),
    downtimeCycles: Type.Union([Count, Type.Null()], {
      description: "from the word to stop until a vCPU was accepted on the target, as the hypervisor saw it; null: it began anew meanwhile",
    }),
  },
  closed,
)
export type VmMoved = Static<typeof VmMoved>

export const VmView = Type.Object(
  {
    spec: VmSpec,
    state: Type.Enum([...VM_STATES], {
      description:
        "placing: its images travel and its vCPUs start; moving: to another node (`move` says how far); ended: by itself; lost: with its node; refused: no node could take it. destroyed VMs are not listed",
    }),
    node: Type.Union([Type.Integer({ minimum: 0, maximum: 63 }), Type.Null()]),
    life: Type.Integer({ minimum: 0, description: "boots so far" }),
    reason: Type.String({ maxLength: 300, description: "why it was lost or refused" }),
    consoleBytes: Type.Integer({ minimum: 0, description: "of all its lives" }),
    inputWaiting: Type.Optional(
      Type.Integer({ minimum: 0, description: "bytes typed that its node has not taken; those are in the node's inspection" }),
    ),
    outcome: Type.Union([GuestOutcome, Type.Null()], { description: "of the last life that ended by itself" }),
    move: Type.Optional(Type.Unsafe<VmMoved>({ ...VmMoved, description: "the present or last move to another node" })),
  },
  closed,
)
export type VmView = Static<typeof VmView>

export const VmCreateAsk = Type.Object(
  { kind: Type.Literal("VmCreateAsk"), request: Request, spec: VmSpec, start: Type.Boolean() },
  { ...closed, description: "operator → hypervisor: let there be this VM, and boot it if `start`" },
)
export const VmControlAsk = Type.Object(
  { kind: Type.Literal("VmControlAsk"), request: Request, vm: Vm, operation: Type.Enum([...VM_OPERATIONS]) },
  { ...closed, description: "operator → hypervisor: do this with the VM" },
)
export const VmMoveAsk = Type.Object(
  { kind: Type.Literal("VmMoveAsk"), request: Request, vm: Vm, to: Node },
  { ...closed, description: "operator → hypervisor: move this running VM to that node" },
)
export const VmTraceAsk = Type.Object(
  { kind: Type.Literal("VmTraceAsk"), request: Request, vm: Vm, traps: Type.Integer({ minimum: 1, maximum: TRAPS_TRACED_MAX }) },
  { ...closed, description: "operator → hypervisor: trace the next so many traps of this VM" },
)
export const VmListAsk = Type.Object(
  { kind: Type.Literal("VmListAsk"), request: Request },
  { ...closed, description: "operator → hypervisor: which VMs are there?" },
)
export const VmAnswer = Type.Object(
  {
    kind: Type.Literal("VmAnswer"),
    request: Request,
    answer: Type.Enum(["begun", "refused"]),
    reason: Reason,
    vms: Type.Array(VmView, { maxItems: VMS_MAX, description: "the VM asked about, or all" }),
  },
  { ...closed, description: "hypervisor → operator: it has begun (the state of the VM says when it is so), or why not" },
)
export const ConsoleAsk = Type.Object(
  { kind: Type.Literal("ConsoleAsk"), request: Request, vm: Vm, from: Count },
  { ...closed, description: "operator → hypervisor: the console from this byte on; answered when there is something, or after a while" },
)
export const ConsoleAnswer = Type.Object(
  {
    kind: Type.Literal("ConsoleAnswer"),
    request: Request,
    from: Type.Integer({ minimum: 0, description: "first byte of `data`: later than asked where the history is shorter" }),
    data: base64Schema(CONSOLE_CHUNK_BYTES),
    state: Type.Union([Type.Enum([...VM_STATES]), Type.Literal("unknown")]),
  },
  { ...closed, description: "hypervisor → operator: what the guest wrote, and how the VM is" },
)
export const ConsoleType = Type.Object(
  {
    kind: Type.Literal("ConsoleType"),
    request: Request,
    vm: Vm,
    writer: Type.String({ minLength: 1, maxLength: 64 }),
    seq: Type.Integer({ minimum: 1, description: "+1 for each piece of this writer" }),
    data: base64Schema(CONSOLE_CHUNK_BYTES),
  },
  { ...closed, description: "operator → hypervisor: type this at the console" },
)
export const ConsoleTyped = Type.Object(
  {
    kind: Type.Literal("ConsoleTyped"),
    request: Request,
    taken: Type.Integer({ minimum: 0, description: "bytes that were taken; the rest is to be typed again later" }),
    state: Type.Union([Type.Enum([...VM_STATES]), Type.Literal("unknown")]),
  },
  { ...closed, description: "hypervisor → operator: so much of it waits for the guest now" },
)

export const vmOperatorMessages = {
  VmCreateAsk,
  VmControlAsk,
  VmMoveAsk,
  VmTraceAsk,
  VmListAsk,
  VmAnswer,
  ConsoleAsk,
  ConsoleAnswer,
  ConsoleType,
  ConsoleTyped,
} as const

export type VmCreateAsk = Static<typeof VmCreateAsk>
export type VmControlAsk = Static<typeof VmControlAsk>
export type VmMoveAsk = Static<typeof VmMoveAsk>
export type VmTraceAsk = Static<typeof VmTraceAsk>
export type VmListAsk = Static<typeof VmListAsk>
export type VmAnswer = Static<typeof VmAnswer>
export type ConsoleAsk = Static<typeof ConsoleAsk>
export type ConsoleAnswer = Static<typeof ConsoleAnswer>
export type ConsoleType = Static<typeof ConsoleType>
export type ConsoleTyped = Static<typeof ConsoleTyped>

export type VmAsking = VmCreateAsk | VmControlAsk | VmMoveAsk | VmTraceAsk | VmListAsk | ConsoleAsk | ConsoleType
export type VmAnswering = VmAnswer | ConsoleAnswer | ConsoleTyped
