/**
 * What replicas say to each other. All that one step has for one peer goes as one message (`KvPeer`); an item is the unit of meaning.
 * None rests on one delivery: coordinators repeat until their deadline, hints until acknowledged, reconciliation every round.
 */
import { Type, type Static } from "typebox"
import { KvRequest, Sent } from "./client-messages.ts"
import { ConsensusItem } from "./consensus-items.ts"
import { open } from "./forms.ts"
import { BATCH_ITEMS_MAX, PARTITIONS, SIBLINGS_MAX } from "./limits.ts"
import { StoreConfig } from "./store-config.ts"
import { BucketName, Dot, Key, KeyState, TraceName, Vector } from "./versions.ts"

const Id = Type.String({ maxLength: 96, description: "of the coordinator's life: unique, so that late answers find nothing" })
const Partition = Type.Integer({ minimum: 0, maximum: PARTITIONS - 1 })
const Hash = Type.String({ pattern: "^[0-9a-f]{16}$" })
const Node = Type.Integer({ minimum: 0, maximum: 63 })
const Digest = Type.String({ pattern: "^[A-Za-z0-9+/]{256}$" })
const Actor = Type.String({ maxLength: 64 })
const Place = { bucket: BucketName, key: Key }

export const Forward = Type.Object(
  { type: Type.Literal("forward"), requester: Actor, request: KvRequest, sent: Type.Optional(Sent) },
  { ...open, description: "a request for the replica that may coordinate it; the answer goes to the requester" },
)
const REPLICATION_REASONS = ["write", "read-repair", "write-repair", "hint", "anti-entropy"] as const
export const Replicate = Type.Object(
  {
    type: Type.Literal("replicate"),
    id: Id,
    ...Place,
    state: KeyState,
    reason: Type.Enum([...REPLICATION_REASONS]),
    holdFor: Type.Optional(Actor),
    trace: Type.Optional(TraceName),
    weak: Type.Optional(
      Type.Boolean({ description: "stand-ins may count for it: who takes it may be the only holder that has it", since: 2 }),
    ),
  },
  { ...open, description: "join this into your state (or, with holdFor, keep it until that replica is back); answered when on disk" },
)
export const Replicated = Type.Object(
  {
    type: Type.Literal("replicated"),
    id: Id,
    ok: Type.Boolean({ description: "false: refused (full); nothing was kept" }),
    held: Type.Optional(Type.Boolean({ description: "kept as a hint, for the replica of the question" })),
    refused: Type.Optional(
      Type.Array(Dot, {
        maxItems: SIBLINGS_MAX,
        description: "versions of the state that were not taken over: replaced, as far as all others know",
        since: 2,
      }),
    ),
  },
  open,
)
export const Fetch = Type.Object(
  { type: Type.Literal("fetch"), id: Id, ...Place, hash: Type.Optional(Hash) },
  { ...open, description: "what do you know of the key? `hash`: what I know of it; the same need not be told" },
)
export const Fetched = Type.Object(
  {
    type: Type.Literal("fetched"),
    id: Id,
    state: Type.Optional(KeyState),
    unsure: Type.Boolean({ description: "the replica lost data and is being repaired: its answer helps but does not count" }),
    trace: Type.Optional(TraceName),
    collected: Type.Optional(
      Type.Integer({ minimum: 0, description: "time of the latest event that was certified: deletions up to it are forgotten", since: 2 }),
    ),
    weak: Type.Optional(
      Type.Boolean({ description: "something of the key was promised by this replica alone, or with a stand-in", since: 2 }),
    ),
  },
  { ...open, description: "without a state: as the one whose hash came with the question" },
)
export const SyncRoots = Type.Object(
  {
    type: Type.Literal("sync-roots"),
    roots: Type.Array(Type.Tuple([Partition, Hash]), { maxItems: PARTITIONS }),
    answer: Type.Boolean({ description: "false: the question. true: the equal ones, told back" }),
  },
  { ...open, description: "roots of the Merkle trees of the partitions that both hold" },
)
export const SyncNodes = Type.Object(
  {
    type: Type.Literal("sync-nodes"),
    partition: Partition,
    hashes: Type.Array(Hash, { maxItems: 64 }),
    brief: Type.Optional(Type.Boolean({ description: "the leaves may be told by digests: I understand those", since: 2 })),
  },
  { ...open, description: "the roots differ: these are the hashes below mine" },
)
export const SyncLeaves = Type.Object(
  {
    type: Type.Literal("sync-leaves"),
    partition: Partition,
    nodes: Type.Array(Type.Tuple([Node, Type.Array(Hash, { maxItems: 64 })]), { maxItems: 64 }),
    digests: Type.Optional(
      Type.Array(Type.Tuple([Node, Hash, Digest]), {
        maxItems: 64,
        description: "of such nodes the hash, and of each leaf 24 bits of its hash, for who asked so (`brief`); `nodes` is empty then",
        since: 2,
      }),
    ),
  },
  { ...open, description: "of the nodes that differ, the hashes of the leaves" },
)
export const SyncKeys = Type.Object(
  {
    type: Type.Literal("sync-keys"),
    partition: Partition,
    leaves: Type.Array(Type.Integer({ minimum: 0, maximum: 4095 }), { maxItems: 4096 }),
    entries: Type.Array(Type.Tuple([BucketName, Key, Hash, Type.Integer({ minimum: 0 })]), { maxItems: BATCH_ITEMS_MAX }),
  },
  { ...open, description: "of the leaves that differ, my keys, the hash of each and the time of its latest event" },
)
export const SyncStates = Type.Object(
  {
    type: Type.Literal("sync-states"),
    partition: Partition,
    states: Type.Array(Type.Tuple([BucketName, Key, KeyState]), { maxItems: BATCH_ITEMS_MAX }),
    wanted: Type.Array(Type.Tuple([BucketName, Key]), { maxItems: BATCH_ITEMS_MAX }),
  },
  {
    ...open,
    description: "states that you lack or have otherwise, to be answered where a join makes more of them; and those I want of you",
  },
)
export const CertificateAsk = Type.Object(
  { type: Type.Literal("certificate-ask"), partition: Partition, round: Id },
  { ...open, description: "to every member: what is your root of this partition, and do you hold hints for it?" },
)
export const CertificateVote = Type.Object(
  {
    type: Type.Literal("certificate-vote"),
    partition: Partition,
    round: Id,
    root: Hash,
    hints: Type.Integer({ minimum: 0 }),
    unsure: Type.Boolean(),
  },
  open,
)
export const Certified = Type.Object(
  {
    type: Type.Literal("certified"),
    partition: Partition,
    round: Id,
    root: Hash,
    cut: Vector,
    at: Type.Integer({ minimum: 0 }),
  },
  { ...open, description: "all replicas were equal up to this causal cut: tombstones below it may go" },
)
export const ConfigAsk = Type.Object(
  { type: Type.Literal("config-ask") },
  { ...open, description: "you speak under a later configuration than I know: tell me" },
)
export const ConfigTell = Type.Object(
  { type: Type.Literal("config-tell"), config: StoreConfig },
  { ...open, description: "the configuration that I know, for one who knows an older" },
)
export const MoveAsk = Type.Object(
  { type: Type.Literal("move-ask"), partition: Partition, leaf: Type.Integer({ minimum: 0, maximum: 4095 }) },
  { ...open, description: "I am to hold this partition: what do you have in it, from this leaf on?" },
)
export const MovePage = Type.Object(
  {
    type: Type.Literal("move-page"),
    partition: Partition,
    leaf: Type.Integer({ minimum: 0, maximum: 4095, description: "first leaf of the page" }),
    nextLeaf: Type.Integer({ minimum: 1, maximum: 4096, description: "first leaf behind it; 4096: that was all" }),
    entries: Type.Array(Type.Tuple([BucketName, Key, Hash]), { maxItems: BATCH_ITEMS_MAX }),
    cut: Vector,
    certifiedAt: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
    hasGroup: Type.Boolean({ description: "the replica could take part in a commit of linear registers of the partition" }),
    learns: Type.Optional(
      Type.Boolean({ description: "the replica may have lost what it knew of the partition's linear registers (from version 2 on)" }),
    ),
  },
  { ...open, description: "the keys of some leaves with their hashes; states are then wanted as in any reconciliation" },
)
export const PeerItem = Type.Union([
  Forward,
  Replicate,
  Replicated,
  Fetch,
  Fetched,
  SyncRoots,
  SyncNodes,
  SyncLeaves,
  SyncKeys,
  SyncStates,
  CertificateAsk,
  CertificateVote,
  Certified,
  ConfigAsk,
  ConfigTell,
  MoveAsk,
  MovePage,
  ConsensusItem,
])
export type PeerItem = Static<typeof PeerItem>
/** The item of one type. */
export type PeerItemOf<Name extends PeerItem["type"]> = Extract<PeerItem, { readonly type: Name }>

export const KvPeer = Type.Object(
  {
    kind: Type.Literal("KvPeer"),
    epoch: Type.Integer({ minimum: 0, description: "of the configuration that the sender goes by" }),
    version: Type.Optional(
      Type.Integer({ minimum: 1, description: "that the sender speaks; only while the store has members of an earlier one", since: 2 }),
    ),
    items: Type.Array(PeerItem, { minItems: 1, maxItems: BATCH_ITEMS_MAX }),
  },
  { ...open, description: "replica → replica: all that one step has for the peer" },
)
export type KvPeer = Static<typeof KvPeer>

export const KvHello = Type.Object(
  {
    kind: Type.Literal("KvHello"),
    version: Type.Integer({ minimum: 2, description: "of the messages among replicas, that the sender speaks" }),
    answer: Type.Boolean({ description: "false: tell me yours" }),
  },
  {
    ...open,
    description: "replica → replica: I speak this; a message of its own, so that a program that does not know it loses nothing else",
    since: 2,
  },
)
export type KvHello = Static<typeof KvHello>
