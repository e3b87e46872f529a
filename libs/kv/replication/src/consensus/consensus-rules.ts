/** The single decisions on which linearizability rests; the simulator plants a bug by exchanging one (see kv/replica/rules.ts). */

export interface ConsensusRules {
  /** Whether a vote is on disk before it is told. */
  readonly persistsVotes: boolean
  /** Whether an entry is on disk before it is acknowledged or counted by its leader. */
  readonly persistsEntries: boolean
  /** Whether a leader asks a majority if it still leads before it answers a read. */
  readonly confirmsReads: boolean
  /** Whether only an entry of the leader's own term commits those before it (Raft, section 5.4.2). */
  readonly commitsOwnTermOnly: boolean
  /** Whether a vote is refused to a candidate whose log is behind. */
  readonly checksLogs: boolean
  /** Whether a repeated command is recognised. */
  readonly remembersCommands: boolean
  /** Whether a replica that lost data keeps from voting until it has learned again. */
  readonly learnsAfterDamage: boolean
  /** Whether replicas that all lost data elect only together (C6). */
  readonly learnersNeedEveryone: boolean
  majorityOf(voters: number): number
}

export const SOUND_CONSENSUS: ConsensusRules = {
  persistsVotes: true,
  persistsEntries: true,
  confirmsReads: true,
  commitsOwnTermOnly: true,
  checksLogs: true,
  remembersCommands: true,
  learnsAfterDamage: true,
  learnersNeedEveryone: true,
  majorityOf: (voters) => Math.floor(voters / 2) + 1,
}
