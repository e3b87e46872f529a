/**
 * The single decisions on which the promises of a replica rest, each a function with a name. A live replica uses `SOUND_RULES`; the
 * simulator plants a bug by exchanging one, which is how the checkers are known to see it.
 */
import { canonicalJson, compareText } from "@backplane/foundation-base/json"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { KeyState, Vector } from "@backplane/kv-contract/versions"
import type { ConsensusRules } from "@backplane/kv-replication/consensus/consensus-rules"
import { SOUND_CONSENSUS } from "@backplane/kv-replication/consensus/consensus-rules"
import { hashOf, type Hash64 } from "@backplane/kv-replication/hash"
import type { Quorum } from "@backplane/kv-replication/quorum"
import { loneDots } from "@backplane/kv-versioning/doubt"
import { nextTick } from "@backplane/kv-versioning/hybrid-clock"
import { isHollow, isTombstone, joinStates } from "@backplane/kv-versioning/key-state"
import type { Reconciler } from "@backplane/kv-versioning/reconcile/reconciler"
import { descends } from "@backplane/kv-versioning/vector"

export interface ReplicaRules {
  /** Whether a write that is not on disk yet may be acknowledged. */
  readonly acknowledgesEarly: boolean
  /** Whether a read may see what is not on the disk of its replica yet. */
  readonly servesUndurable: boolean
  /** Whether the answer of a replica that lost data counts towards a quorum. */
  readonly countsUnsure: boolean
  /** Whether a hint that found no room is acknowledged. */
  readonly acknowledgesRefusedHint: boolean
  /** Whether a key remembers which requests made its events. */
  readonly remembersDone: boolean
  /** Whether members that hold nothing of a partition are asked for hints before it is certified. */
  readonly asksEveryMember: boolean
  /** Whether a partition is copied before its next holders take over. */
  readonly copiesBeforeReady: boolean
  /** Whether who takes a partition over waits for its registers, unless most of its holders never had any. */
  readonly awaitsRegisters: boolean
  /** Whether a replica remembers where its clock stood, or goes by the wall of now alone. */
  readonly knowsTimes: boolean
  /** Whether a repeat is not done where its key may have been collected since it was sent first. */
  readonly mindsCollected: boolean
  /** Whether a quorum of a partition that is moved is one of both its sets of holders. */
  readonly needsBothSets: boolean
  /** Whether a read asks every holder at once: dearer, and what diverged is found sooner. */
  readonly asksAllForReads: boolean
  /** Whether what is said under an older placement of a partition is refused. */
  readonly fencesEpochs: boolean
  /** Whether tombstones go without a certificate. */
  readonly collectsUncertified: boolean
  /** Whether a hint goes as soon as it is sent. */
  readonly forgetsHintsEarly: boolean
  /** Whether a peer of whom nothing is known is spoken to in the present version. */
  readonly speaksUnasked: boolean
  /** Whether a peer that speaks an earlier version than it did is still spoken to in the later one. */
  readonly keepsOldVersions: boolean
  /** Whether a copy of a request is done that waited so long that its requester has asked another since. */
  readonly doesLateRequests: boolean
  /** Whether a repeat that may have been done and forgotten is refused. */
  readonly refusesForgotten: boolean
  /** Whether a write ends when its version was refused. */
  readonly mindsRefusals: boolean
  /** Whether a version that only this replica has when it begins again, and that the others may have forgotten, is withdrawn. */
  readonly withdrawsLone: boolean
  /** Whether a version that only its sender has, and that the others may have forgotten, is asked about before it is taken over. */
  readonly doubtsNews: boolean
  /** Whether the version of the store rises before every member speaks it. */
  readonly raisesAlone: boolean
  /** Versions that one of the holders alone knows, and that all others may have forgotten: they are refused. */
  readonly loneDots: typeof loneDots
  writesNeeded(quorum: Quorum): number
  readsNeeded(quorum: Quorum): number
  nextTime(last: number, physical: number): number
  join(reconciler: Reconciler, a: KeyState, b: KeyState): KeyState
  meetsFloor(context: Vector, floor: Vector): boolean
  /** What a read repair sends: the join, or … */
  repairState(joined: KeyState, answers: readonly KeyState[]): KeyState
  /** What the Merkle tree counts; null: nothing. */
  stateHash(state: KeyState): Hash64 | null
  mayCollect(state: KeyState, cut: Vector): boolean
  /** The context of a key that is not there, in a partition that was certified up to `cut`. */
  absentContext(cut: Vector): Vector
  /** The name under which this life counts events: never one whose events were forgotten. */
  writerName(life: { readonly id: ActorId; readonly wall: number; readonly count: number }): string
  readonly consensus: ConsensusRules
}

export const SOUND_RULES: ReplicaRules = {
  acknowledgesEarly: false,
  servesUndurable: false,
  countsUnsure: false,
  acknowledgesRefusedHint: false,
  remembersDone: true,
  asksEveryMember: true,
  fencesEpochs: true,
  copiesBeforeReady: true,
  awaitsRegisters: true,
  knowsTimes: true,
  mindsCollected: true,
  needsBothSets: true,
  asksAllForReads: false,
  collectsUncertified: false,
  forgetsHintsEarly: false,
  speaksUnasked: false,
  keepsOldVersions: false,
  doesLateRequests: false,
  refusesForgotten: true,
  mindsRefusals: true,
  withdrawsLone: true,
  doubtsNews: true,
  loneDots,
  raisesAlone: false,
  writesNeeded: ({ w }) => w,
  readsNeeded: ({ r }) => r,
  nextTime: nextTick,
  join: joinStates,
  meetsFloor: descends,
  repairState: (joined) => joined,
  stateHash,
  mayCollect: (state, cut) => (isTombstone(state) || isHollow(state)) && descends(cut, state.context),
  absentContext: (cut) => cut,
  writerName: ({ id, wall, count }) => `${id}@${wall.toString(36)}.${count}`,
  consensus: SOUND_CONSENSUS,
}

/**
 * Over all of a state but the values, which their dots stand for: a version never changes. A hollow one counts as absent, for a replica that
 * collected it has nothing either.
 */
function stateHash(state: KeyState): Hash64 | null {
  if (isHollow(state)) return null
  const writers = Object.keys(state.context)
  if (writers.length > 1) writers.sort(compareText)
  let text = ""
  for (const writer of writers) text += `${writer} ${state.context[writer]} `
  for (const { dot, value } of state.versions) text += value === null ? `-${dot[0]} ${dot[1]}` : `+${dot[0]} ${dot[1]}`
  return hashOf(state.crdt === undefined ? text : text + canonicalJson(state.crdt))
}
