/**
 * The rule by which messages of two versions understand each other (see README.md): what only tells something is *open*, its reader ignores fields that it
 * does not know; what is kept, passed on or done is *closed*, for who dropped a field of it without a word would lose what somebody was promised.
 */

/** Of a message, or an item of one: fields of a later version are ignored. */
export const open = {} as const
/** Of a state, a configuration, a log entry, an operation: a field that is not known here is refused. */
export const closed = { additionalProperties: false } as const

/** The version of the messages among replicas that this program speaks. The first was that of programs that refuse every field they do not know. */
export const WIRE_VERSION = 2
/** Spoken to whom nothing is known of. */
export const WIRE_VERSION_FIRST = 1
