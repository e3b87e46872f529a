/** Every limit of the key-value store, named once. */

/** Virtual partitions of the key space. Fixed for the life of a store: a key's partition never changes. */
export const PARTITIONS = 64
/** Replicas of a partition, where there are so many members. */
export const REPLICAS_DEFAULT = 3
export const BUCKET_NAME_LENGTH_MAX = 64
export const KEY_LENGTH_MAX = 512
export const VALUE_LENGTH_MAX = 1_048_576
/** Requests that a replica coordinates at a time; one more is refused as busy. */
export const REQUESTS_UNDER_WAY_MAX = 8192
/** Requests or items in one message. */
export const BATCH_ITEMS_MAX = 4096
/** Actors in one version vector: one more is refused with the advice to wait for a convergence certificate. */
export const VECTOR_ENTRIES_MAX = 256
/** Concurrent values of one key: a writer that never reads would make them without end. */
export const SIBLINGS_MAX = 64
/** Requests remembered with a key, so that a repeat makes no second event: of those with a sequence, and of those that their callers named. */
export const DONE_SEQUENCES_MAX = 8
export const DONE_NAMES_MAX = 24
/** Of a counter inside a map: the names on the way to it, together. */
export const COUNTER_PLACE_LENGTH_MAX = 512
/** An event and such a place. */
export const COUNTED_LENGTH_MAX = COUNTER_PLACE_LENGTH_MAX + 128
/** Keys that a session token remembers; the oldest gives way, and its guarantee with it. */
export const SESSION_KEYS_MAX = 64
/** States held for one replica that is away; a full shelf refuses and does not acknowledge. */
export const HINTS_PER_REPLICA_MAX = 10_000
/** Bytes that it may cost two equal replicas to find out that they are equal. */
export const EQUAL_EXCHANGE_BYTES_MAX = 4096
