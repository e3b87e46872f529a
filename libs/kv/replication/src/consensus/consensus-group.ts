/**
 * One replica's part in the consensus of one partition (Raft with PreVote, persisted votes, read index), as a pure state machine.
 *
 * Inputs: messages of peers, ticks, proposals and reads of clients, and notices that something is on disk. Outputs: `GroupAction`s, in order.
 * Invariants:
 * C1 At most one vote a term, on disk before it is told; a term only grows.
 * C2 commit only grows; what is committed is on the disks of a majority and in every later leader's log.
 * C3 Applied in the order of the log, each entry once.
 * C4 A read sees every write that was answered before it began: the leader answers from a commit index of its own term or later, after a
 *    majority confirmed, since the read came, that it still leads.
 * C5 After a loss of data the replica only learns, and nobody counts it, until it saw an entry commit that came after it began to learn. (That
 *    it cannot then repeat a forgotten vote holds for groups of three.)
 * C6 Where too many learn for a majority of the others, all voters together may elect: who has the newest log of all, in a term newer than any
 *    that one of them knows. Such a leader commits only what every voter has, until none of them learns any more.
 * Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), sections 3, 6.4 and 9.6.
 */
import { assert } from "@backplane/foundation-base/assert"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Command, ConsensusMessage, Entry } from "@backplane/kv-contract/consensus-items"
import { Candidacy } from "./candidacy.ts"
import { ElectionClock } from "./election-clock.ts"
import { CommittedRegisters } from "./committed-registers.ts"
import { ConsensusLog, ENTRIES_PER_MESSAGE, firstEntry, type LogWrite } from "./consensus-log.ts"
import { MOVES, type Role } from "./consensus-table.ts"
import { DiskGate } from "./disk-gate.ts"
import { FollowersProgress, type Held } from "./followers-progress.ts"
import type { AnyVote, Append, AppendAnswer, GroupAction, GroupOptions, Read, Voters } from "./group-types.ts"
import { Learning } from "./learning.ts"
import { PendingReads } from "./pending-reads.ts"
import { VoterSets } from "./voter-sets.ts"

/** Stands on disk from the loss of data until the replica may vote again (C5). */
export const DAMAGED = "damaged"

export class ConsensusGroup {
  readonly #options: GroupOptions
  readonly #log: ConsensusLog
  readonly #committed: CommittedRegisters
  #role: Role = "follower"
  #term = 0
  #vote: string | null = null
  #leader: ActorId | null = null
  readonly #disk: DiskGate
  readonly #candidacy = new Candidacy()
  readonly #followers = new FollowersProgress()
  readonly #reads = new PendingReads()
  #voters: VoterSets
  readonly #elections: ElectionClock
  readonly #learning: Learning
  #heartbeatAt = 0
  #hasNews = false
  #actions: GroupAction[] = []

  constructor(options: GroupOptions) {
    this.#options = options
    this.#elections = new ElectionClock(options)
    const { voters, next = null, epoch = 0, rules } = options
    this.#voters = new VoterSets({ voters, next, epoch }, rules.majorityOf)
    this.#log = ConsensusLog.restored(options.restored)
    this.#committed = new CommittedRegisters(this.#log.base, rules.remembersCommands)
    this.#disk = new DiskGate(this.#log.lastIndex)
    const meta = options.restored.get("meta") as { readonly term: number; readonly vote: string | null } | undefined
    this.#term = meta?.term ?? 0
    this.#vote = meta?.vote ?? null
    this.#learning = new Learning(options.restored.has(DAMAGED) && options.rules.learnsAfterDamage)
    if (this.#learning.isOn) this.#role = "learner"
    // The term may be forgotten, what was written in it is not.
    if (this.#learning.isOn) this.#term = Math.max(this.#term, this.#log.lastTerm)
  }

  get role(): Role {
    return this.#role
  }
  get term(): number {
    return this.#term
  }
  get leader(): ActorId | null {
    return this.#leader
  }
  get commit(): number {
    return this.#committed.commit
  }
  /** Votes, and has something to vote about. */
  get isActive(): boolean {
    return this.#role !== "learner" && this.#log.lastIndex > 0
  }
  get isDamaged(): boolean {
    return this.#learning.isOn
  }
  get committedEpoch(): number {
    return this.#committed.epoch
  }

  /** It may lack what was committed before it was a voter: it only learns, as after a loss (C5). A leader has all. */
  learn(): readonly GroupAction[] {
    if (this.#learning.isOn || this.#role === "leader") return []
    this.#learning.begin()
    this.#become("learner")
    this.#write([{ key: DAMAGED, value: true }])
    return this.#done()
  }

  /** Other voters, by a later configuration. A leader says so in the log: when that entry is committed, the next voters have all. */
  reconfigure(now: number, voters: Voters): readonly GroupAction[] {
    if (voters.epoch <= this.#voters.epoch) return []
    this.#voters = new VoterSets(voters, this.#options.rules.majorityOf)
    if (this.#role === "leader") {
      this.#followers.keep(this.#peers(), this.#log.lastIndex + 1)
      this.#write(this.#log.append([firstEntry(this.#term, this.#voters.epoch)]))
      this.#broadcast(now)
    }
    return this.#done()
  }

  /** Of the commands that a proposal of now comes after, as far as they are remembered. */
  requesters(): readonly string[] {
    return this.#committed.requesters(this.#log)
  }

  registers(): readonly (readonly [place: string, value: string])[] {
    return this.#committed.registers()
  }

  /** Who has the entry on disk, the last one where none is named, as far as its leader knows. */
  heldBy(index = this.#log.lastIndex): Held {
    return { index, ...this.#followers.heldBy(index, { id: this.#options.id, own: this.#disk.durableIndex }) }
  }

  /** Of what lies on disk, for who gives the partition up. */
  keysOnDisk(): readonly string[] {
    return ["meta", DAMAGED, ...this.#log.keys()]
  }

  /** Committed entry, for checkers; null where it is in the snapshot. */
  committed(index: number): Entry | null {
    return index > this.commit || this.#log.termAt(index) === null || index <= this.#log.base.index ? null : this.#log.entry(index)
  }

  tick(now: number): readonly GroupAction[] {
    const isDue = this.#elections.isDue(now, this.#term)
    if (this.#role === "leader" && now >= this.#heartbeatAt) this.#broadcast(now)
    if (this.#role !== "leader" && isDue) this.#askPromises(now)
    return this.#done()
  }

  /** The host knows that `peer` is gone, not only silent: if it led, who is first in turn asks for votes now, the others soon after. */
  gone(now: number, peer: ActorId): readonly GroupAction[] {
    if (this.#leader !== peer || this.#role !== "follower") return []
    this.#leader = null
    this.#candidacy.leaderGone = true
    const others = [...this.#peers(), this.#options.id].filter((voter) => voter !== peer)
    if (this.#elections.leaderGone(now, this.#term, { leader: peer, others }) === 0) this.#askPromises(now)
    return this.#done()
  }

  /** Nobody ever led: who is asked first need not wait for the silence of a leader that there is not. */
  hurry(now: number): readonly GroupAction[] {
    if (this.#role === "follower" && this.#term === 0) this.#askPromises(now)
    return this.#done()
  }

  /** Proposes a command; refused where this replica does not lead. */
  propose(command: Command): readonly GroupAction[] {
    if (this.#role !== "leader") return [{ do: "refused", requester: command.requester, sequence: command.sequence }]
    this.#write(this.#log.append([{ term: this.#term, command }]))
    this.#hasNews = true
    return this.#done()
  }

  /** Reads a register (C4). */
  read(read: Read): readonly GroupAction[] {
    const { rules } = this.#options
    if (this.#role !== "leader") return [{ do: "refused", requester: read.requester, sequence: read.sequence }]
    if (!rules.confirmsReads) return [{ do: "read", read, value: this.#committed.read(read.bucket, read.key) }]
    // The commit index is sure to be the newest only once an entry of the own term is committed; wait for the last entry until then.
    const ownTerm = this.#log.termAt(this.commit) === this.#term
    this.#reads.add(read, ownTerm ? this.commit : this.#log.lastIndex)
    this.#hasNews = true
    return this.#done()
  }

  /** Proposals and reads of a step leave together: the host calls this at its end. */
  flush(now: number): readonly GroupAction[] {
    if (!this.#hasNews) return []
    this.#hasNews = false
    if (this.#role === "leader") this.#broadcast(now)
    this.#answerReads()
    return this.#done()
  }

  durable(ticket: number, now: number): readonly GroupAction[] {
    this.#disk.durable(ticket, (index) => this.#log.termAt(index))
    this.#releaseHeld()
    if (this.#isStanding() && this.#disk.isMetaDurable) this.#countVote(now, this.#options.id)
    if (this.#role === "leader") this.#advance(now)
    return this.#done()
  }

  hear(now: number, from: ActorId, message: ConsensusMessage): readonly GroupAction[] {
    if (!this.#peers().includes(from)) return []
    // A promise given bears the term asked for; a refusal the refuser's own, so that who is behind learns of it.
    const promises = message.step === "pre-vote" || (message.step === "pre-vote-answer" && message.granted)
    if (message.step === "pre-vote-answer") this.#candidacy.answeredBy(from)
    if (message.term > this.#term && !promises) this.#follow(now, message.term, null)
    if (message.term < this.#term) {
      this.#answerStale(from, message)
      return this.#done()
    }
    switch (MOVES[this.#role][message.step]) {
      case "promise":
        this.#promise(now, from, message as AnyVote)
        break
      case "vote":
        this.#giveVote(now, from, message as AnyVote)
        break
      case "count-promise":
        if (message.step === "pre-vote-answer" && message.granted && message.term === this.#term + 1) this.#countPromise(now, from)
        break
      case "count-vote":
        if (message.step === "vote-answer" && message.granted) this.#countVote(now, from)
        break
      case "accept":
        this.#accept(now, from, message as Append)
        break
      case "progress":
        this.#onProgress(now, from, message as AppendAnswer)
        break
      case "ignore":
        break
      case "impossible":
        assert(false, `partition ${this.#options.partition} has one leader in term ${this.#term}`)
    }
    return this.#done()
  }

  #askPromises(now: number): void {
    this.#elections.restart(now, this.#term)
    const learns = this.#learning.isOn && this.#options.rules.learnersNeedEveryone
    this.#candidacy.askPromises(learns || (this.#role === "pre-candidate" && this.#candidacy.mayNeedEveryone(this.#peers())))
    this.#become(this.#learning.isOn ? "learner" : "pre-candidate")
    this.#leader = null
    const terms = { term: this.#term + 1, ...this.#candidacy.terms("promises", this.#log) }
    for (const peer of this.#peers()) this.#send(peer, { step: "pre-vote", ...terms })
    this.#countPromise(now, this.#options.id)
  }

  #countPromise(now: number, from: ActorId): void {
    this.#candidacy.promisedBy(from)
    if (!this.#candidacy.isPromised(this.#voters)) return
    this.#become("candidate")
    // Its term has its own time, or it would be given up for a new one while the votes are on their way.
    this.#elections.restart(now, this.#term)
    this.#term++
    this.#vote = this.#options.id
    this.#candidacy.askVotes(this.#term)
    this.#writeMeta()
    // Others may be asked at once; the own vote counts when it is on disk (C1).
    const terms = { term: this.#term, ...this.#candidacy.terms("votes", this.#log) }
    for (const peer of this.#peers()) this.#send(peer, { step: "vote", ...terms })
    if (!this.#options.rules.persistsVotes) this.#countVote(now, this.#options.id)
  }

  /** For the votes of its term, or for promises of the next one while those may still come. */
  #isStanding(): boolean {
    return this.#role === "candidate" || (this.#role === "pre-candidate" && this.#vote === this.#options.id)
  }

  #countVote(now: number, from: ActorId): void {
    this.#candidacy.votedBy(from, this.#term)
    if (!this.#candidacy.isElected(this.#options.id, this.#term, this.#voters)) return
    this.#become("leader")
    this.#leader = this.#options.id
    this.#followers.begin(this.#peers(), this.#log.lastIndex + 1)
    this.#write(this.#log.append([firstEntry(this.#term, this.#voters.epoch)]))
    this.#broadcast(now)
  }

  #promise(now: number, from: ActorId, { term, lastIndex, lastTerm, everyone, gone }: AnyVote): void {
    const isLed = this.#role === "leader" || (this.#elections.trustsLeader(now) && gone !== true)
    const isFree = this.#mayVote(everyone) && !isLed && term > this.#term
    const granted = isFree && this.#isUpToDate(lastIndex, lastTerm)
    if (granted && this.#role === "follower") this.#elections.promised(now, this.#term, from)
    // Two that stand at once would each vote for themselves: the one behind in the order leaves it to the other.
    if (granted && this.#role === "pre-candidate" && this.#elections.isBefore(from, this.#term)) {
      this.#become("follower")
      this.#elections.restart(now, this.#term)
    }
    this.#send(from, { step: "pre-vote-answer", term: granted ? term : this.#term, granted })
    if (isFree && !granted && gone === true && this.#role === "follower") this.#standInstead(now)
  }

  /** The leader is gone, and who asks lacks some of the log that is here: it cannot lead, this one can, and nobody waits for its turn. */
  #standInstead(now: number): void {
    this.#candidacy.leaderGone = true
    this.#askPromises(now)
  }

  #giveVote(now: number, from: ActorId, { term, lastIndex, lastTerm, everyone, gone }: AnyVote): void {
    const free = (this.#vote === null || this.#vote === from) && this.#mayVote(everyone)
    const granted = free && this.#isUpToDate(lastIndex, lastTerm) && this.#role !== "leader"
    if (granted && this.#vote === null) {
      this.#vote = from
      this.#writeMeta()
    }
    if (granted) this.#elections.restart(now, this.#term)
    const answer: ConsensusMessage = { step: "vote-answer", term, granted }
    if (this.#options.rules.persistsVotes) this.#hold(from, answer, 0)
    else this.#send(from, answer)
    if (free && !granted && gone === true && this.#role === "follower") this.#standInstead(now)
  }

  /** A learner only with everyone (C6). */
  #mayVote(everyone: boolean | undefined): boolean {
    return this.#role !== "learner" || everyone === true || !this.#options.rules.learnersNeedEveryone
  }

  #isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return !this.#options.rules.checksLogs || this.#log.isAtMost(lastIndex, lastTerm)
  }

  #follow(now: number, term: number, leader: ActorId | null): void {
    assert(term >= this.#term, "a term only grows")
    this.#become(this.#learning.isOn ? "learner" : "follower")
    this.#leader = leader
    if (term > this.#term) {
      this.#term = term
      this.#vote = null
      this.#writeMeta()
    }
    this.#elections.restart(now, this.#term)
  }

  /** Reads that were waiting are refused when the role is lost: their requesters ask the next leader. */
  #become(role: Role): void {
    this.#role = role
    for (const { requester, sequence } of this.#reads.takeAll()) this.#actions.push({ do: "refused", requester, sequence })
  }

  #answerStale(from: ActorId, message: ConsensusMessage): void {
    if (message.step === "append") this.#send(from, this.#appendAnswer(false, 0, 0))
    if (message.step === "vote" || message.step === "pre-vote")
      this.#send(from, { step: `${message.step}-answer`, term: this.#term, granted: false })
  }

  #broadcast(now: number): void {
    this.#heartbeatAt = now + this.#options.heartbeat
    for (const peer of this.#peers()) this.#sendAppend(peer)
    // A group of one, or rules that do not wait for the disk, may go on at once.
    this.#advance(now)
  }

  #sendAppend(peer: ActorId): void {
    const progress = this.#followers.of(peer)
    if (progress === undefined) return
    const part = this.#log.appendFrom(progress.next, ENTRIES_PER_MESSAGE)
    this.#send(peer, { step: "append", term: this.#term, commit: this.commit, round: this.#reads.round, ...part })
  }

  #accept(now: number, from: ActorId, append: Append): void {
    // What the dead said brings what it brings, but is no sign of life: that would keep this one from standing, and requests would be passed on to it.
    if (!this.#elections.saidBefore(now, append.term, from)) {
      this.#follow(now, append.term, from)
      this.#elections.heardLeader(now)
      this.#candidacy.leaderGone = false
    }
    // The vote of the term is the leader's by now: a learner that forgot it gives it to nobody else.
    if (this.#role === "learner" && this.#vote !== from) {
      this.#vote = from
      this.#writeMeta()
    }
    if (append.snapshot !== undefined && append.snapshot.index > this.commit) this.#install(append.snapshot)
    const match = this.#matched(append)
    if (match === null) {
      const back = Math.min(append.previousIndex - 1, this.#log.lastIndex)
      this.#send(from, this.#appendAnswer(false, Math.max(back, this.commit), append.round))
      return
    }
    this.#commitUpTo(Math.min(append.commit, match))
    if (this.#role === "learner" && this.#learning.hasCaughtUp(match, [append.commit, this.commit])) {
      this.#role = "follower"
      this.#isSound()
    }
    this.#hold(from, this.#appendAnswer(true, match, append.round), match)
  }

  #appendAnswer(ok: boolean, match: number, round: number): ConsensusMessage {
    return { step: "append-answer", term: this.#term, ok, match, round, voter: this.#role !== "learner" }
  }

  /** Takes the entries in; the last index that is as the leader's, or null where the logs do not meet. */
  #matched(append: Append): number | null {
    const plan = this.#log.plan(append)
    if (plan === null) return null
    if (plan.cutAt !== null) {
      assert(plan.cutAt > this.commit, "what is committed is never cut")
      this.#write(this.#log.cut(plan.cutAt))
      this.#disk.durableIndex = Math.min(this.#disk.durableIndex, plan.cutAt - 1)
    }
    if (plan.fresh.length > 0) this.#write(this.#log.append(plan.fresh))
    return plan.match
  }

  #install(snapshot: NonNullable<Append["snapshot"]>): void {
    this.#write(this.#log.rebase(snapshot))
    this.#committed.restore(snapshot)
    this.#disk.durableIndex = Math.min(this.#disk.durableIndex, this.#log.lastIndex)
  }

  /** All that may have been lost is here again, or was on no disk. */
  #isSound(): void {
    this.#learning.isOn = false
    this.#write([{ key: DAMAGED, value: null }])
  }

  #onProgress(now: number, from: ActorId, answer: AppendAnswer): void {
    const progress = this.#followers.answered(from, answer)
    if (progress === undefined) return
    if (!answer.ok) {
      this.#sendAppend(from)
      this.#answerReads()
      return
    }
    // A learner may vote again once something committed without it: give it something to see.
    if (!answer.voter && answer.match === this.#log.lastIndex && this.commit === this.#log.lastIndex)
      this.#write(this.#log.append([firstEntry(this.#term, this.#voters.epoch)]))
    this.#advance(now)
    this.#answerReads()
    if (progress.next > this.#log.lastIndex || answer.match + 1 !== progress.next) return
    // More for one that is behind, without waiting for the next heartbeat.
    this.#sendAppend(from)
    progress.next = Math.min(this.#log.lastIndex, progress.next + ENTRIES_PER_MESSAGE - 1) + 1
  }

  /** Commits what a majority has on disk (C2), or everyone, learners too: nobody can lead without it (C6). */
  #advance(now: number): void {
    const { rules } = this.#options
    const own = rules.persistsEntries ? this.#disk.durableIndex : this.#log.lastIndex
    const most = this.#voters.reached((majority, ids) => this.#followers.matchOf(majority, { ids, id: this.#options.id, own }))
    const index = Math.max(this.#candidacy.electedByEveryone ? 0 : most, this.#followers.matchOfAll(own))
    if (index <= this.commit) return
    if (rules.commitsOwnTermOnly && this.#log.termAt(index) !== this.#term) return
    this.#commitUpTo(index)
    if (this.#learning.isOn) this.#isSound()
    if (this.#candidacy.electedByEveryone && this.#followers.areVoters) this.#candidacy.needsMajority()
    this.#answerReads()
    // Followers hear of it with the next message; at the latest a heartbeat from now.
    this.#heartbeatAt = Math.min(this.#heartbeatAt, now + this.#options.heartbeat)
  }

  #commitUpTo(index: number): void {
    for (const done of this.#committed.commitUpTo(index, this.#log)) this.#actions.push({ do: "applied", ...done })
    const snapshot = this.#committed.shorterThan(this.#log)
    if (snapshot !== null) this.#write(this.#log.rebase(snapshot))
  }

  #answerReads(): void {
    if (this.#role !== "leader" || this.#reads.isEmpty) return
    const confirmed = this.#voters.reached((majority, ids) =>
      this.#followers.roundOf(majority, { ids, id: this.#options.id, own: this.#reads.round }),
    )
    for (const read of this.#reads.takeReady(confirmed, this.#committed.applied))
      this.#actions.push({ do: "read", read, value: this.#committed.read(read.bucket, read.key) })
  }

  #writeMeta(): void {
    this.#disk.metaWritten()
    this.#write([{ key: "meta", value: { term: this.#term, vote: this.#vote } }])
  }

  #write(writes: readonly LogWrite[]): void {
    for (const [position, { key, value }] of writes.entries()) {
      const last = position === writes.length - 1
      this.#actions.push({ do: "write", key, value, ticket: last ? this.#disk.ticket(this.#log.lastIndex, this.#log.lastTerm) : null })
    }
  }

  /** Sends the answer once entries up to `index` and the present term and vote are on disk. */
  #hold(to: ActorId, message: ConsensusMessage, index: number): void {
    this.#disk.hold(to, message, { index: this.#options.rules.persistsEntries ? index : 0, term: this.#term })
    this.#releaseHeld()
  }

  #releaseHeld(): void {
    for (const { to, message } of this.#disk.release(this.#term)) this.#send(to, message)
  }

  #peers(): readonly ActorId[] {
    return this.#voters.others(this.#options.id)
  }

  #send(to: ActorId, message: ConsensusMessage): void {
    this.#actions.push({ do: "send", to, message })
  }

  #done(): readonly GroupAction[] {
    const actions = this.#actions
    this.#actions = []
    return actions
  }
}
