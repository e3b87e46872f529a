/**
 * A guest as a task: what moves with it from node to node, and what came of it.
 *
 * Not here: what a job says of a guest (scenario/machine), what the fields mean to the machine (trap/board makes and takes a capture), how a guest is run (trap/guest).
 * 64-bit values are hexadecimal text, bytes are base64.
 */
import { Type, type Static } from "typebox"
import { base64Schema } from "@backplane/scenario-machine/guest-spec"
import { PAGE_BYTES } from "./engine.ts"

const closed = { additionalProperties: false } as const
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Word = Type.Integer({ minimum: 0, maximum: 0xffff_ffff })
const Hex = Type.String({ pattern: "^0x[0-9a-f]{1,16}$", description: "unsigned 64 bits" })
const Byte = Type.Integer({ minimum: 0, maximum: 255 })

/** Console bytes that are kept of a guest: the first so many. */
export const GUEST_CONSOLE_BYTES_MAX = 16 * 1024

export const HartRecord = Type.Object(
  {
    registers: Type.Array(Hex, { minItems: 32, maxItems: 32 }),
    pc: Hex,
    instret: Hex,
    reservation: Type.Union([Hex, Type.Null()], { description: "physical address of the last load-reserved, while it holds" }),
    csrs: Type.Array(Hex, { minItems: 64, maxItems: 64, description: "slots of trap/csr's file" }),
    state: Type.Enum(["started", "stopped", "suspended"]),
    waiting: Type.Boolean(),
    resume: Type.Union([Type.Object({ pc: Hex, opaque: Hex }, closed), Type.Null()]),
    trapsInPlace: Count,
    trapsNested: Count,
  },
  closed,
)
export type HartRecord = Static<typeof HartRecord>

/** Registers of the devices that every board has. */
export const DevicesRecord = Type.Object(
  {
    clint: Type.Object({ software: Type.Array(Type.Boolean()), compare: Type.Array(Hex), shift: Hex }, closed),
    plic: Type.Object(
      {
        priority: Type.Array(Byte),
        pending: Type.Array(Word),
        claimed: Type.Array(Word),
        enabled: Type.Array(Type.Array(Word)),
        threshold: Type.Array(Byte),
      },
      closed,
    ),
    uart: Type.Object(
      {
        received: Type.Array(Byte),
        ier: Byte,
        fcr: Byte,
        lcr: Byte,
        mcr: Byte,
        lsr: Byte,
        scratch: Byte,
        divisorLow: Byte,
        divisorHigh: Byte,
        transmitterPending: Type.Boolean(),
      },
      closed,
    ),
    uartUsed: Type.Boolean({ description: "input goes there only after the guest has touched it" }),
  },
  closed,
)

export type DevicesRecord = Static<typeof DevicesRecord>

/** A whole native board between two instructions: on any engine it goes on as if it had never stopped. */
export const BoardCapture = Type.Object(
  {
    memoryBytes: Type.Integer({ minimum: PAGE_BYTES, multipleOf: PAGE_BYTES }),
    start: Type.Enum(["machine", "supervisor"]),
    htif: Type.Union([
      Type.Object(
        { tohost: Hex, fromhost: Type.Union([Hex, Type.Null()]), reading: Type.Boolean({ description: "the guest waits for a byte" }) },
        closed,
      ),
      Type.Null(),
    ]),
    harts: Type.Array(HartRecord, { minItems: 1, maxItems: 64 }),
    devices: DevicesRecord,
    console: Type.Object({ input: Type.String(), output: Type.String() }, { ...closed, description: "bytes that wait, base64" }),
    passed: Type.Integer({ minimum: 0, description: "units of the machine clock" }),
    turn: Type.Integer({ minimum: 0, description: "whose window it is" }),
    windowLeft: Count,
    instructions: Count,
    exits: Type.Array(Type.Tuple([Type.String(), Count])),
    pages: Type.Array(Type.Tuple([Count, base64Schema(PAGE_BYTES)]), {
      description: "number from the start of RAM and bytes of each page that is not zero",
    }),
  },
  closed,
)
export type BoardCapture = Static<typeof BoardCapture>

/** The end of a guest, in the words of `backplane exec`. */
export const GuestEnd = Type.Object(
  {
    exit: Type.Integer({ minimum: 0, description: "the guest's code; 124 at a limit" }),
    reason: Type.Enum(["finisher", "tohost", "shutdown", "reset", "limit", "idle", "stuck"]),
  },
  closed,
)
export type GuestEnd = Static<typeof GuestEnd>

/** What of a guest moves with its task, once it has run: its spec brings no image any more. */
export const GuestState = Type.Object(
  {
    board: BoardCapture,
    ended: Type.Union([GuestEnd, Type.Null()], { description: "it has ended, but the clock of its node is behind its own" }),
    grantedUnits: Type.Integer({ minimum: 0, description: "units of the machine clock that its ticks so far have paid for" }),
    console: Type.Object(
      { kept: base64Schema(GUEST_CONSOLE_BYTES_MAX), bytes: Count },
      { ...closed, description: "its first bytes, and how many there were" },
    ),
  },
  closed,
)
export type GuestState = Static<typeof GuestState>

/** What came of a guest, as `backplane exec` says it. */
export const GuestOutcome = Type.Object(
  {
    ...GuestEnd.properties,
    instructions: Count,
    console: Type.String({ description: "its first 16 KiB" }),
    consoleBytes: Count,
    state: Type.String({ pattern: "^[0-9a-f]{16}$", description: "hash of registers, devices and memory at its end" }),
  },
  closed,
)
export type GuestOutcome = Static<typeof GuestOutcome>
