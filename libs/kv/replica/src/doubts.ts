/**
 * Holds back what comes with a version that may have been replaced where nobody remembers it any more (kv/versioning, `doubt.ts`).
 *
 * Procedure: who is sent a version that it does not know, older than all the requests of the key that it remembers, asks the other holders what they know.
 * Where a second one knows of it, it is news that took long, and is taken over. Where its sender alone does, and all others may have forgotten
 * its request, it is refused: counted as seen, so that it finds itself dead here, and told to who has it. What came with it is taken over in any case.
 *
 * Invariants:
 * B1 Nothing is refused that was answered under W ≥ 2, unless a holder lost it without knowing; what may be promised by fewer, or by a stand-in, is marked
 *    where it lies (`weak`) and never refused.
 * B2 What is held back is not acknowledged before it is taken over.
 * B3 It is held back for `deadline` at most: where somebody does not answer it is taken over as it is. Where that is its sender alone, it is dropped:
 *    nobody else wants it taken over, and it comes again with its sender.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { closeSpan, openSpan } from "@backplane/foundation-actor/effects"
import type { PeerItemOf } from "@backplane/kv-contract/peer-items"
import type { Dot, KeyState } from "@backplane/kv-contract/versions"
import { placeName } from "@backplane/kv-replication/hash"
import { doubtfulDots, type Witness } from "@backplane/kv-versioning/doubt"
import { covers, isSameDot, withDot } from "@backplane/kv-versioning/vector"
import type { ReplicaCore } from "./core.ts"
import type { Place } from "./key-table.ts"
import { reconcileAttributes } from "./reconcile-attributes.ts"

/** Keys in doubt at a time; what comes of more is taken as it is. */
const KEYS_MAX = 1024
/** Messages held back of one key; of more the sender repeats what it is not answered. */
const HELD_MAX = 64

/** Does what was held back; hears what was refused of it. */
type Again = (refused: readonly Dot[]) => void

interface Question {
  readonly place: Place
  readonly id: string
  dots: readonly Dot[]
  readonly others: readonly ActorId[]
  readonly senders: Set<ActorId>
  readonly answers: Map<ActorId, Witness>
  readonly startedAt: number
  askedAt: number
  readonly held: Again[]
}

export class Doubts {
  readonly #core: ReplicaCore
  readonly #questions = new Map<string, Question>()
  readonly #names = new Map<string, string>()
  /** What was held back is done now: nothing of it is doubted again. */
  #isSettling = false

  constructor(core: ReplicaCore) {
    this.#core = core
  }

  /** Keys in doubt. */
  get count(): number {
    return this.#questions.size
  }

  /** Whether `state` is held back; `again` does what is to be done with it, once that is known. */
  holdsBack(from: ActorId, place: Place, state: KeyState, again: Again): boolean {
    const core = this.#core
    if (this.#isSettling || !core.canDoubt(place.bucket)) return false
    const name = placeName(place.bucket, place.key)
    const open = this.#questions.get(name)
    const dots = doubtfulDots(core.table.stateOf(place), state, core.table.collectedUpTo(place))
    if (dots.length === 0) return false
    if (open === undefined) return this.#canAsk(place) && this.#open(from, place, { dots, again })
    open.senders.add(from)
    open.dots = [...open.dots, ...dots.filter((dot) => !open.dots.some((each) => isSameDot(each, dot)))]
    if (open.held.length < HELD_MAX) open.held.push(again)
    return true
  }

  /**
   * Who holds the key testifies, its next holders do not: what was answered is on two of the holders' disks as long as a partition is moved, for its
   * writes need a majority of both, and who is to hold it copies as it is told. Where data was lost, everything may be the last of its kind.
   */
  #canAsk(place: Place): boolean {
    const core = this.#core
    const hasOthers = core.isHolder(place) && core.holders(place).length > 1
    return hasOthers && !core.isUnsure(place) && !core.lone.has(place)
  }

  #open(from: ActorId, place: Place, { dots, again }: { readonly dots: readonly Dot[]; readonly again: Again }): boolean {
    if (this.#questions.size >= KEYS_MAX) return false
    const core = this.#core
    const [name, id] = [placeName(place.bucket, place.key), core.freshId()]
    const others = core.holders(place).filter((holder) => holder !== core.id)
    const at = { startedAt: core.now, askedAt: core.now }
    const question = { place, id, dots, others, senders: new Set([from]), answers: new Map(), ...at, held: [again] }
    this.#questions.set(name, question)
    this.#names.set(id, name)
    this.#ask(question)
    return true
  }

  #ask({ place, id, others, answers }: Question): void {
    for (const other of others) if (!answers.has(other)) this.#core.outbox.send(other, { type: "fetch", id, ...place })
  }

  onFetched(from: ActorId, { id, state, unsure, weak, collected }: PeerItemOf<"fetched">): void {
    if (this.#questions.size === 0) return
    const question = this.#questions.get(this.#names.get(id) ?? "")
    if (question === undefined || state === undefined || !question.others.includes(from)) return
    question.answers.set(from, { state, unsure, weak: weak === true, collected: collected ?? 0 })
    if (question.answers.size < question.others.length) return
    const own = this.#core.witnessOf(question.place, this.#core.table.stateOf(question.place))
    this.#settle(question, this.#core.rules.loneDots([own, ...question.answers.values()], question.dots))
  }

  tick(): void {
    const { now, timings } = this.#core
    for (const question of [...this.#questions.values()])
      if (now - question.startedAt >= timings.deadline) this.#isOver(question)
      else if (now - question.askedAt >= timings.retry) {
        question.askedAt = now
        this.#ask(question)
      }
  }

  #isOver(question: Question): void {
    const isSenders = question.others.every((other) => question.answers.has(other) || question.senders.has(other))
    if (isSenders) this.#close(question)
    else this.#settle(question, [])
  }

  /** Other holders from now on: nobody knows who has heard of what. */
  reconfigured(): void {
    for (const question of [...this.#questions.values()]) this.#settle(question, [])
  }

  #settle(question: Question, refused: readonly Dot[]): void {
    this.#close(question)
    if (refused.length > 0) this.#refuse(question, refused)
    this.#isSettling = true
    for (const again of question.held) again(refused)
    this.#isSettling = false
  }

  #close({ place, id }: Question): void {
    this.#questions.delete(placeName(place.bucket, place.key))
    this.#names.delete(id)
  }

  /** The refused count as seen here; who has them is told what they were replaced by. */
  #refuse({ place, answers }: Question, refused: readonly Dot[]): void {
    const core = this.#core
    const own = core.table.stateOf(place)
    const state = { ...own, context: refused.reduce(withDot, own.context) }
    core.keep(place, state, null)
    const knowers = [...answers].filter(([, told]) => refused.some((dot) => covers(told.state.context, dot)))
    const span = `refusal/${core.freshId()}`
    const replicas = knowers.map(([holder]) => holder).join(" ")
    const attributes = { ...reconcileAttributes(core, [{ ...place, state }]), "backplane.replicas": replicas }
    const links = core.traces.linksOf([state, ...knowers.map(([, told]) => told.state)])
    core.outbox.effect(openSpan(span, "kv.reconcile refusal", attributes, { root: true, links }))
    const item = { type: "replicate", id: core.freshId(), ...place, state, reason: "write-repair" } as const
    for (const [holder] of knowers) core.outbox.send(holder, item, span)
    core.outbox.atEnd(closeSpan(span, { "backplane.count": refused.length }))
  }
}
