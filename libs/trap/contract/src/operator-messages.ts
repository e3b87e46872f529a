/** What an operator (the command line, the gateway) asks of a machine's hypervisor over the bus. */
import { Type, type Static } from "typebox"

const closed = { additionalProperties: false } as const

const Request = Type.String({ minLength: 1, maxLength: 64 })
const Cpu = Type.Integer({ minimum: 0, maximum: 255 })
const Reason = Type.String({ maxLength: 400 })

export const SwapAsk = Type.Object(
  {
    kind: Type.Literal("SwapAsk"),
    request: Request,
    policy: Type.String({ maxLength: 32, description: "a policy of ours, or a service that has attached" }),
    shadowSlices: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 100_000, description: "first show what it would do, for so long; not given: take over at once" }),
    ),
    shadowOnly: Type.Optional(Type.Literal(true, { description: "and do not take over after that" })),
    cpus: Type.Optional(
      Type.Array(Cpu, { minItems: 1, maxItems: 256, description: "take over these CPUs only, beside the policy in force; not given: all" }),
    ),
    service: Type.Optional(
      Type.Object(
        { seat: Type.String({ pattern: "^[a-z][a-z0-9]{0,15}$" }), layout: Type.Enum(["all", "cpu"]) },
        { ...closed, description: "not a policy of ours: a service whose schedulers hold the queues of this seat" },
      ),
    ),
  },
  { ...closed, description: "operator → hypervisor: let this policy take over; a repeat of the same request is answered again" },
)
export const SwapAnswer = Type.Object(
  {
    kind: Type.Literal("SwapAnswer"),
    request: Type.String({ maxLength: 64 }),
    epoch: Type.Integer({ minimum: 0, description: "of the policy; of the shadow, where there is one first" }),
    tick: Type.Integer({ minimum: -1, description: "of the machine, when it was answered; -1: before the first" }),
    state: Type.Enum(["begun", "refused"]),
    reason: Reason,
  },
  { ...closed, description: "hypervisor → operator: the take-over has begun with this epoch, or is refused with a reason" },
)

export const CpuAsk = Type.Object(
  {
    kind: Type.Literal("CpuAsk"),
    request: Request,
    cpu: Cpu,
    online: Type.Boolean(),
    force: Type.Optional(Type.Literal(true, { description: "although tasks may run nowhere else: they wait until it is back" })),
  },
  { ...closed, description: "operator → hypervisor: take this CPU off line, or bring it back" },
)
export const TuneAsk = Type.Object(
  {
    kind: Type.Literal("TuneAsk"),
    request: Request,
    task: Type.String({ minLength: 1, maxLength: 64 }),
    affinity: Type.Optional(Type.Array(Cpu, { maxItems: 256, description: "CPUs that may run it; empty: any" })),
    weight: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
    shares: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
        maxItems: 16,
        description: "hint: tasks that it shares pages with, or talks to; none: nobody any more. Who is not there is of no account",
      }),
    ),
  },
  {
    ...closed,
    description:
      "operator → hypervisor: the task gets this affinity, weight or hint; a hint may also come from whoever knows of its memory",
  },
)
export const MachineAnswer = Type.Object(
  {
    kind: Type.Literal("MachineAnswer"),
    request: Request,
    state: Type.Enum(["done", "refused"], { description: "done: it is on its way to the nodes, and will be said until they have it" }),
    reason: Reason,
  },
  { ...closed, description: "hypervisor → operator: the answer to CpuAsk and TuneAsk" },
)

export type CpuAsk = Static<typeof CpuAsk>
export type TuneAsk = Static<typeof TuneAsk>
export type MachineAnswer = Static<typeof MachineAnswer>
export type SwapAsk = Static<typeof SwapAsk>
export type SwapAnswer = Static<typeof SwapAnswer>

export const trapMessages = { SwapAsk, SwapAnswer, CpuAsk, TuneAsk, MachineAnswer } as const
