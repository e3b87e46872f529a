/** What an operator (the command line, the gateway) asks of a machine's hypervisor over the bus. */
import { Type, type Static } from "typebox"

const closed = { additionalProperties: false } as const

export const SwapAsk = Type.Object(
  { kind: Type.Literal("SwapAsk"), request: Type.String({ minLength: 1, maxLength: 64 }), policy: Type.String({ maxLength: 32 }) },
  { ...closed, description: "operator → hypervisor: let this policy take over; a repeat of the same request is answered again" },
)
export const SwapAnswer = Type.Object(
  {
    kind: Type.Literal("SwapAnswer"),
    request: Type.String({ maxLength: 64 }),
    epoch: Type.Integer({ minimum: 0 }),
    state: Type.Enum(["begun", "refused"]),
    reason: Type.String({ maxLength: 200 }),
  },
  { ...closed, description: "hypervisor → operator: the take-over has begun with this epoch, or is refused with a reason" },
)

export type SwapAsk = Static<typeof SwapAsk>
export type SwapAnswer = Static<typeof SwapAnswer>

export const trapMessages = { SwapAsk, SwapAnswer } as const
