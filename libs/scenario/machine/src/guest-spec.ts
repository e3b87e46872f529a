/**
 * A job that is an RV64 guest: its image and its limits. What runs it is trap/guest, what moves with it compute/contract's guest state.
 */
import { Type, type Static } from "typebox"

const closed = { additionalProperties: false } as const

/** A guest moves in one message, and the bus carries 8 MB: base64 takes a third more than the memory. */
export const GUEST_MEMORY_BYTES_MAX = 4 * 2 ** 20
export const GUEST_IMAGE_BYTES_MAX = 256 * 1024
/** Of all images of a machine together, as base64: a machine is told of in one message. */
export const IMAGES_LENGTH_MAX = 6_000_000
/** A node runs a tick of a CPU in one go: so many instructions of all its CPUs take about a second, and longer it must not be silent. */
export const SLICE_INSTRUCTIONS_MAX = 50_000_000
export const PAGE_BYTES = 4096

/** Bytes as text, at most so many. */
export function base64Schema(bytesMax: number, description = "base64"): ReturnType<typeof Type.String> {
  return Type.String({ pattern: "^[A-Za-z0-9+/]*={0,2}$", maxLength: Math.ceil(bytesMax / 3) * 4, description })
}

const LIMITS = {
  memoryBytes: {
    minimum: 2 ** 16,
    maximum: GUEST_MEMORY_BYTES_MAX,
    multipleOf: PAGE_BYTES,
    description: "RAM, whole pages of 4096 bytes; leased as frames",
  },
  instructionsPerTick: { minimum: 1, maximum: SLICE_INSTRUCTIONS_MAX, description: "how far the guest gets in one tick" },
  instructionsMax: { minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: "it is ended there, with exit code 124" },
} as const

/** A task with this is an RV64 guest: its `run` means nothing, it is done when its machine ends. */
export const GuestSpec = Type.Object(
  {
    image: Type.Optional(
      base64Schema(
        GUEST_IMAGE_BYTES_MAX,
        "ELF64 or flat Image, base64, at most 256 KiB of it; absent where only its shape matters, and once a capture stands for it",
      ),
    ),
    memoryBytes: Type.Integer(LIMITS.memoryBytes),
    instructionsPerTick: Type.Integer(LIMITS.instructionsPerTick),
    instructionsMax: Type.Integer(LIMITS.instructionsMax),
  },
  closed,
)
export type GuestSpec = Static<typeof GuestSpec>

export const GUEST_DEFAULTS = { memoryBytes: 2 ** 20, instructionsPerTick: 50_000, instructionsMax: 1_000_000_000 } as const

/** The schema of a field that may be left out, and what stands there then. */
function withDefault(field: keyof typeof GUEST_DEFAULTS): ReturnType<typeof Type.Integer> {
  const limits = LIMITS[field]
  return Type.Integer({ ...limits, description: `${limits.description}; left out: ${GUEST_DEFAULTS[field]}` })
}

/** What a scenario file says of a guest. */
export const GuestInput = Type.Object(
  {
    file: Type.Optional(
      Type.String({ minLength: 1, maxLength: 4096, description: "ELF64 or flat Image, relative to the scenario; at most 256 KiB" }),
    ),
    image: Type.Optional(base64Schema(GUEST_IMAGE_BYTES_MAX, "the same as base64, instead of a file")),
    memoryBytes: Type.Optional(withDefault("memoryBytes")),
    instructionsPerTick: Type.Optional(withDefault("instructionsPerTick")),
    instructionsMax: Type.Optional(withDefault("instructionsMax")),
  },
  { ...closed, description: "instead of `run`: a RISC-V program, run as a machine of one hart until it ends by itself" },
)
export type GuestInput = Static<typeof GuestInput>

/** Reads the file of a guest and gives it as base64, or throws a `Rejection`. `field` names where the scenario asks for it. */
export type GuestFileReader = (guest: { readonly file: string; readonly memoryBytes: number }, field: string) => string
