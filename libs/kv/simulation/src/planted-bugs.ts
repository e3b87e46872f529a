/**
 * Bugs that the checkers must catch: each exchanges one decision of the rules, and says where it is worth hunting.
 *
 * A checker that has never failed is not trusted. `hunt` narrows buckets and fault classes to where the bug can show, so that a score costs minutes
 * and not hours; without a bug the same hunts must find nothing (see the test).
 */
import { hashOf } from "@backplane/kv-replication/hash"
import { SOUND_RULES, type ReplicaRules } from "@backplane/kv-replica/rules"
import { loneDots } from "@backplane/kv-versioning/doubt"
import { isTombstone, joinStates } from "@backplane/kv-versioning/key-state"
import { highestCount, joinVectors } from "@backplane/kv-versioning/vector"
import { NO_DISK_BUGS } from "./disked-replica.ts"
import {
  damagedQuorum,
  emptyJoiner,
  forgottenVote,
  hintUnderCertificate,
  leftHolder,
  lostEntry,
  missedDelete,
  missedPut,
  movedWithoutEntry,
  oldHoldersAlone,
  readTooEarly,
  repeatedCommand,
  restoredBackup,
  staleLeader,
  standsStill,
  votersWithoutData,
  type DirectedHunt,
} from "./directed-hunts.ts"
import { collectedVersion, cutOffVersion, loneCount, refusedWrite, weakVersion } from "./lone-hunts.ts"
import { droppedField, oldAmongNew, putBack, raisedEarly } from "./mixed-hunts.ts"
import { repeatedAfterCollection, repeatedAfterJump } from "./repeat-hunts.ts"
import type { FaultClass } from "./kv-faults.ts"
import type { KvWorldOptions } from "./kv-world.ts"

export interface PlantedBug {
  readonly name: string
  readonly hunt: KvWorldOptions
  /** A script that is played before each seed is drawn. */
  readonly directed?: DirectedHunt
}

const classes = (...names: readonly FaultClass[]): { readonly classes: ReadonlySet<FaultClass> } => ({ classes: new Set(names) })
const rules = (changed: Partial<ReplicaRules>): { readonly rules: ReplicaRules } => ({ rules: { ...SOUND_RULES, ...changed } })
const consensus = (changed: Partial<ReplicaRules["consensus"]>): { readonly rules: ReplicaRules } =>
  rules({ consensus: { ...SOUND_RULES.consensus, ...changed } })
const only = (...buckets: readonly string[]): { readonly buckets: readonly string[] } => ({ buckets })
const BUSY = { pauseMax: 200_000, cycles: 30_000_000 } as const
const register = { ...only("register"), ...BUSY }

export const PLANTED_BUGS: readonly PlantedBug[] = [
  { name: "acknowledges before the disk has it", hunt: { ...rules({ acknowledgesEarly: true }), ...BUSY, ...classes("power") } },
  { name: "acknowledges at W − 1", hunt: { ...rules({ writesNeeded: ({ w }) => Math.max(1, w - 1) }), ...BUSY, ...classes("partition") } },
  {
    name: "reads at R − 1",
    hunt: {
      ...rules({ readsNeeded: ({ r }) => Math.max(1, r - 1) }),
      ...only("plain"),
      tokens: "without",
      ...BUSY,
      ...classes("partition", "loss", "delay"),
    },
  },
  {
    name: "lww decided by arrival",
    hunt: {
      ...rules({
        join: (reconciler, a, b) => {
          const joined = joinStates(reconciler, a, b)
          return reconciler.rule === "lww" && joined !== a && a.versions.length > 0
            ? { context: joined.context, versions: b.versions }
            : joined
        },
      }),
      ...only("last"),
      ...BUSY,
      ...classes("delay", "reordering"),
    },
  },
  {
    name: "clock that forgets what it saw",
    hunt: { ...rules({ nextTime: (_last, physical) => physical }), ...BUSY, ...classes("clock", "crash") },
  },
  {
    name: "vector merge that overwrites",
    hunt: {
      ...rules({ join: (reconciler, a, b) => ({ ...joinStates(reconciler, a, b), context: b.context }) }),
      ...BUSY,
      ...classes("partition", "delay"),
    },
  },
  {
    name: "join that keeps the newer state whole",
    hunt: {
      ...rules({
        join: (_reconciler, a, b) =>
          highestCount(b.context) > highestCount(a.context) ? { ...b, context: joinVectors(a.context, b.context) } : a,
      }),
      ...only("plain"),
      ...BUSY,
      ...classes("partition", "delay"),
    },
  },
  {
    name: "tombstones dropped without a certificate",
    hunt: {
      ...rules({ collectsUncertified: true, mayCollect: (state) => state.versions.every(({ value }) => value === null) }),
      ...only("plain", "last"),
      ...BUSY,
      ...classes("partition", "crash", "delay"),
    },
  },
  {
    name: "what a certificate let go may come back",
    // Without the doubts of who is sent it, which would refuse it as well.
    hunt: { ...rules({ absentContext: () => ({}), doubtsNews: false }), ...only("plain"), ...BUSY, pace: 2, ...classes("backup") },
    directed: restoredBackup,
  },
  {
    name: "does a request however late it comes",
    hunt: { ...rules({ doesLateRequests: true }), ...only("plain"), ...BUSY, ...classes("pause") },
    directed: standsStill,
  },
  {
    name: "version that one alone has kept when it begins again, though it may have been replaced",
    hunt: { ...rules({ withdrawsLone: false }), ...only("count"), ...BUSY, ...classes("crash") },
    directed: loneCount,
  },
  {
    name: "version that its sender alone has is taken over, though it may have been replaced",
    hunt: { ...rules({ doubtsNews: false }), ...only("plain"), ...BUSY, pauseMax: 200_000, ...classes("partition") },
    directed: cutOffVersion,
  },
  {
    name: "acknowledgement that refuses the version counts for its write",
    hunt: { ...rules({ mindsRefusals: false }), ...only("plain"), ...BUSY, ...classes("partition") },
    directed: refusedWrite,
  },
  {
    name: "repeat that may have been done and forgotten is done",
    hunt: { ...rules({ refusesForgotten: false }), ...only("plain"), ...BUSY, ...classes("partition") },
  },
  {
    name: "version of an old disk is taken over, though it may have been deleted and forgotten",
    hunt: {
      ...rules({
        loneDots: (witnesses, dots) =>
          loneDots(
            witnesses.map((each) => ({ ...each, collected: 0 })),
            dots,
          ),
      }),
      ...only("plain"),
      ...BUSY,
      ...classes("backup", "power"),
    },
    directed: collectedVersion,
  },
  {
    name: "what one replica alone had to promise is refused by the others",
    hunt: {
      ...rules({
        loneDots: (witnesses, dots) =>
          loneDots(
            witnesses.map((each) => ({ ...each, weak: false })),
            dots,
          ),
      }),
      ...only("weak"),
      ...BUSY,
      ...classes("partition"),
    },
    directed: weakVersion,
  },
  {
    name: "hint that found no room is acknowledged",
    hunt: { ...rules({ acknowledgesRefusedHint: true }), hintsPerReplicaMax: 1, ...only("far"), ...BUSY, ...classes("partition", "crash") },
  },
  {
    name: "hint forgotten when it is sent",
    hunt: { ...rules({ forgetsHintsEarly: true }), ...only("far"), ...BUSY, ...classes("partition", "crash", "loss") },
  },
  {
    name: "read repair that writes the older version",
    hunt: {
      ...rules({
        repairState: (joined, answers) => {
          const oldest = answers.reduce(
            (first, state) => (highestCount(state.context) < highestCount(first.context) ? state : first),
            joined,
          )
          return { ...joined, versions: oldest.versions }
        },
      }),
      ...only("plain", "last"),
      ...BUSY,
      ...classes("partition", "loss"),
    },
  },
  {
    name: "Merkle hash that is stale",
    hunt: {
      ...rules({ stateHash: (state) => (state.versions.length === 0 && state.crdt === undefined ? null : hashOf("here")) }),
      ...only("plain", "last"),
      ...BUSY,
      ...classes("power", "crash", "loss", "partition"),
    },
    directed: missedPut,
  },
  {
    name: "writer's name used again after amnesia",
    hunt: { ...rules({ writerName: ({ id }) => id }), ...only("plain", "set"), ...BUSY, ...classes("backup", "flip") },
  },
  {
    name: "damaged replica counts towards a quorum",
    hunt: {
      ...rules({ countsUnsure: true }),
      ...only("plain"),
      tokens: "without",
      ...BUSY,
      pace: 3,
      ...classes("flip", "misdirect", "partition", "crash"),
    },
    directed: damagedQuorum,
  },
  {
    name: "keys that do not remember their requests",
    hunt: { ...rules({ remembersDone: false }), ...only("count"), ...BUSY, ...classes("crash", "power", "loss", "partition") },
  },
  {
    name: "life that counts on under the name of the last",
    hunt: { ...rules({ writerName: ({ id }) => id }), ...only("count", "plain"), ...BUSY, ...classes("crash", "power", "slow") },
  },
  {
    name: "read that shows what is not on disk",
    hunt: { ...rules({ servesUndurable: true }), ...only("plain"), tokens: "without", ...BUSY, ...classes("crash", "power", "slow") },
    directed: readTooEarly,
  },
  {
    name: "session token ignored",
    hunt: { ...rules({ meetsFloor: () => true }), ...only("weak"), ...BUSY, ...classes("partition", "delay") },
  },
  { name: "disk that is told done without a sync", hunt: { diskBugs: { ...NO_DISK_BUGS, skipsSync: true }, ...BUSY, ...classes("power") } },
  {
    name: "damage that recovery keeps to itself",
    hunt: {
      diskBugs: { ...NO_DISK_BUGS, hidesDamage: true },
      ...only("plain"),
      tokens: "without",
      ...BUSY,
      ...classes("flip", "misdirect", "partition"),
    },
  },
  {
    name: "vote not persisted",
    hunt: { ...consensus({ persistsVotes: false }), ...register, pace: 4, ...classes("crash", "power", "slow", "partition", "delay") },
    directed: forgottenVote,
  },
  {
    name: "entry acknowledged before it is on disk",
    hunt: { ...consensus({ persistsEntries: false }), ...register, ...classes("power", "crash", "slow", "partition") },
    directed: lostEntry,
  },
  {
    name: "read without read index",
    hunt: { ...consensus({ confirmsReads: false }), ...register, ...classes("partition", "pause") },
    directed: staleLeader,
  },
  {
    name: "voters without data that elect without the rest",
    hunt: { ...consensus({ learnersNeedEveryone: false }), ...register, pace: 2, ...classes("flip", "misdirect", "partition", "crash") },
    directed: votersWithoutData,
  },
  {
    name: "vote for a candidate whose log is behind",
    hunt: { ...consensus({ checksLogs: false }), ...register, pace: 4, ...classes("partition", "loss", "crash") },
  },
  {
    name: "repeated command applied again",
    hunt: { ...consensus({ remembersCommands: false }), ...register, ...classes("loss", "duplication", "partition") },
    directed: repeatedCommand,
  },
  {
    name: "majority that is none",
    hunt: { ...consensus({ majorityOf: (voters) => Math.floor(voters / 2) }), ...register, ...classes("partition") },
  },
  {
    name: "damaged voter that goes on voting",
    hunt: { ...consensus({ learnsAfterDamage: false }), ...register, pace: 2, ...classes("flip", "misdirect", "partition", "crash") },
  },
  {
    name: "certificate without asking who holds hints",
    hunt: { ...rules({ asksEveryMember: false }), ...only("far"), ...BUSY, ...classes("partition", "crash", "loss") },
    directed: hintUnderCertificate,
  },
  {
    name: "moved partition accepted at both ends",
    hunt: {
      ...rules({ fencesEpochs: false }),
      ...only("plain", "last"),
      ...BUSY,
      pace: 3,
      ...classes("move", "partition", "loss", "pause"),
    },
    directed: leftHolder,
  },
  {
    name: "moved partition taken over before it is copied",
    hunt: { ...rules({ copiesBeforeReady: false }), ...only("plain", "last"), ...BUSY, pace: 2, ...classes("move") },
    directed: emptyJoiner,
  },
  {
    name: "repeat of a request done again after its key was collected",
    hunt: { ...rules({ mindsCollected: false }), ...only("plain"), ...BUSY, ...classes("loss", "partition", "pause") },
    directed: repeatedAfterCollection,
  },
  {
    name: "age of a repeat measured by a wall clock that jumped",
    hunt: { ...rules({ knowsTimes: false }), ...only("plain"), ...BUSY, ...classes("loss", "clock", "pause") },
    directed: repeatedAfterJump,
  },
  {
    name: "moved partition taken over without its registers",
    hunt: { ...rules({ awaitsRegisters: false }), ...register, pace: 2, ...classes("move", "flip", "crash", "pause") },
    directed: movedWithoutEntry,
  },
  {
    name: "quorum of the old holders alone while a partition moves",
    hunt: { ...rules({ needsBothSets: false }), ...only("plain", "last"), ...BUSY, pace: 3, ...classes("move", "partition", "loss") },
    directed: oldHoldersAlone,
  },
  {
    name: "CRDT join that keeps the longer state",
    hunt: {
      ...rules({
        join: (reconciler, a, b) => {
          const joined = joinStates(reconciler, a, b)
          if (a.crdt === undefined || b.crdt === undefined) return joined
          return { ...joined, crdt: JSON.stringify(a.crdt).length >= JSON.stringify(b.crdt).length ? a.crdt : b.crdt }
        },
      }),
      ...only("set", "count"),
      ...BUSY,
      ...classes("partition", "loss", "delay"),
    },
  },
  {
    name: "siblings treated as last writer wins",
    hunt: {
      ...rules({ join: (reconciler, a, b) => joinStates({ ...reconciler, keep: (versions) => versions.slice(-1) }, a, b) }),
      ...only("plain"),
      ...BUSY,
      ...classes("delay"),
    },
  },
  {
    name: "tombstones that anti-entropy does not see",
    hunt: {
      ...rules({ stateHash: (state) => (isTombstone(state) ? null : SOUND_RULES.stateHash(state)) }),
      hintsPerReplicaMax: 1,
      ...only("plain", "last"),
      ...BUSY,
      ...classes("power", "crash", "loss", "partition"),
    },
    directed: missedDelete,
  },
  {
    name: "later field sent to who may not know it",
    hunt: { ...rules({ speaksUnasked: true }), ...only("plain"), ...BUSY, ...classes("mixed") },
    directed: oldAmongNew,
  },
  {
    name: "program that was put back spoken to as before",
    hunt: { ...rules({ keepsOldVersions: true }), ...only("plain"), ...BUSY, pace: 2, ...classes("mixed", "partition") },
    directed: putBack,
  },
  {
    name: "version of the store raised before all speak it",
    hunt: { ...rules({ raisesAlone: true }), ...only("plain", "map"), ...BUSY, ...classes("mixed", "crash") },
    directed: raisedEarly,
  },
  {
    name: "old program that drops a field it does not know, in a store that was raised too early",
    hunt: { ...rules({ raisesAlone: true }), oldEdge: "strips", ...only("map"), ...BUSY, ...classes("mixed", "partition", "loss") },
    directed: droppedField,
  },
]
