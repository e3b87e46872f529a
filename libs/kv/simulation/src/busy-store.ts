/**
 * A store whose parts take time for what they do: each works through its inbox at a rate of its own, so that what is asked faster than it can be done
 * waits. For the questions that a world of instant parts cannot ask: does load make more load, and does a store that was asked too much come back?
 *
 * Three replicas and any number of requesters (kv/client), one sync of a disk at a time for all that waits, messages that are never lost. A part that is
 * free takes all that has come by then as one step, as the live host does. Nothing is drawn: the same calls give the same run.
 */
import { assert } from "@backplane/foundation-base/assert"
import { PriorityQueue } from "@backplane/foundation-base/priority-queue"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect, Input } from "@backplane/foundation-actor/machine"
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { KvRequester } from "@backplane/kv-client/requester"
import type { KvAnswer, Operation } from "@backplane/kv-contract/client-messages"
import { WIRE_VERSION } from "@backplane/kv-contract/forms"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { firstConfig } from "@backplane/kv-replication/placement"
import { partitionMap } from "@backplane/kv-replication/partition-map"
import { ReplicaMachine } from "@backplane/kv-replica/replica"
import type { ReplicaTimings } from "@backplane/kv-replica/replica-options"
import { BUCKETS } from "./workload.ts"

const HOP_CYCLES = 100
const SYNC_CYCLES = 2_000
/** What a part takes at a time, as the live host does. */
const STEP_INPUTS_MAX = 256

export interface BusyOptions {
  /** Cycles that a replica needs for each request or item that it hears, and for each write of its disk. */
  readonly cyclesPerItem: number
  /** Cycles for each thousand characters that it hears. */
  readonly cyclesPerThousand: number
  readonly requesters?: number
  readonly timings?: Partial<ReplicaTimings>
}

type Happening =
  | { readonly what: "input"; readonly to: ActorId; readonly input: Input<KvMessage> }
  | { readonly what: "free"; readonly to: ActorId }
  | { readonly what: "synced"; readonly to: ActorId; readonly keys: readonly string[] }

interface Part {
  take(now: VirtualTime, inputs: readonly Input<KvMessage>[]): readonly Effect<KvMessage>[]
  cost(input: Input<KvMessage>): number
  readonly inbox: Input<KvMessage>[]
  isBusy: boolean
  /** Written, and not under a sync yet. */
  unsynced: string[]
  isSyncing: boolean
  /** When each timer is due; a timer set again replaces the earlier. */
  readonly timers: Map<string, number>
}

export class BusyStore {
  readonly replicas: readonly ActorId[]
  readonly requesters: readonly ActorId[]
  /** Items that were said, by their kind: `KvAsk`, or the type of the item. */
  readonly said = new Map<string, number>()
  now = 0
  readonly #parts = new Map<ActorId, Part>()
  readonly #machines = new Map<ActorId, ReplicaMachine>()
  readonly #askers = new Map<ActorId, KvRequester>()
  readonly #queue = new PriorityQueue<{ readonly at: number; readonly order: number; readonly happening: Happening }>(
    (a, b) => a.at - b.at || a.order - b.order,
  )
  /** Cut off: neither hears nor says anything. */
  readonly #dead = new Set<ActorId>()
  #order = 0

  constructor({ cyclesPerItem, cyclesPerThousand, requesters = 1, timings = {} }: BusyOptions) {
    this.replicas = [0, 1, 2].map((index) => actorId(`replica.${index}`))
    this.requesters = Array.from({ length: requesters }, (_, index) => actorId(`gateway.${index}`))
    const members = this.replicas.map((id, index) => ({ id, zone: `zone-${index}` }))
    const map = partitionMap(members)
    for (const id of this.replicas) {
      const machine = new ReplicaMachine({
        id,
        map,
        buckets: BUCKETS,
        timings,
        storeVersion: WIRE_VERSION,
      })
      this.#machines.set(id, machine)
      const cost = (input: Input<KvMessage>): number =>
        input.kind === "message"
          ? itemsOf(input.body).length * cyclesPerItem + (lengthOf(input.body) * cyclesPerThousand) / 1000
          : cyclesPerItem / 2
      this.#add(id, { take: (now, inputs) => machine.stepAll(now, inputs), cost })
      this.#carryOut(id, machine.start(virtualTime(0), new Map()))
    }
    for (const [index, id] of this.requesters.entries()) {
      const requester = new KvRequester({ members: this.replicas, favourite: index })
      requester.configure(firstConfig(map, BUCKETS))
      this.#askers.set(id, requester)
      const take = (now: VirtualTime, inputs: readonly Input<KvMessage>[]): Effect<KvMessage>[] => [
        ...inputs.flatMap((input) => requester.step(now, input)),
        ...requester.settle(now),
      ]
      this.#add(id, { take, cost: () => 0 })
    }
  }

  /** Asks all of it in one turn; what was answered stands in the list that is given back. */
  ask(operations: readonly Operation[], by = this.requesters[0] as ActorId): readonly KvAnswer[] {
    const requester = this.#askers.get(by)
    assert(requester !== undefined, `${by} is a requester`)
    const answers: KvAnswer[] = []
    const now = virtualTime(this.now)
    for (const operation of operations) this.#carryOut(by, requester.ask(now, { operation, done: (answer) => answers.push(answer) }))
    this.#carryOut(by, requester.settle(now))
    return answers
  }

  run(cycles: number): void {
    const until = this.now + cycles
    for (let next = this.#queue.peek(); next !== undefined && next.at <= until; next = this.#queue.peek()) {
      this.#queue.pop()
      this.now = next.at
      this.#happen(next.happening)
    }
    this.now = until
  }

  /** From now on the replica is silent; who waits for it is told nothing. */
  silence(id: ActorId): void {
    this.#dead.add(id)
  }

  view(id: ActorId): ReplicaMachine["view"] {
    const machine = this.#machines.get(id)
    assert(machine !== undefined, `${id} is a replica`)
    return machine.view
  }

  #add(id: ActorId, what: Pick<Part, "take" | "cost">): void {
    this.#parts.set(id, { ...what, inbox: [], isBusy: false, unsynced: [], isSyncing: false, timers: new Map() })
  }

  #happen(happening: Happening): void {
    const { to } = happening
    const part = this.#parts.get(to)
    if (part === undefined || this.#dead.has(to)) return
    switch (happening.what) {
      case "input":
        if (happening.input.kind === "timer") {
          if (part.timers.get(happening.input.key) !== this.now) return
          part.timers.delete(happening.input.key)
        }
        part.inbox.push(happening.input)
        break
      case "synced":
        part.isSyncing = false
        for (const key of happening.keys) part.inbox.push({ kind: "persisted", key })
        this.#sync(to, part)
        break
      case "free":
        part.isBusy = false
        break
    }
    this.#work(to, part)
  }

  /** A part that is free takes what has come; what it says of that leaves when the time for it is over. */
  #work(id: ActorId, part: Part): void {
    if (part.isBusy || part.inbox.length === 0) return
    const inputs = part.inbox.splice(0, STEP_INPUTS_MAX)
    part.isBusy = true
    const cost = Math.ceil(inputs.reduce((sum, input) => sum + part.cost(input), 0))
    const done = this.now + cost
    this.#carryOut(id, part.take(virtualTime(this.now), inputs), cost)
    this.#at(done, { what: "free", to: id })
  }

  #carryOut(id: ActorId, effects: readonly Effect<KvMessage>[], delay = 0): void {
    const part = this.#parts.get(id)
    if (part === undefined) return
    for (const effect of effects) {
      if (effect.kind === "send") {
        for (const item of itemsOf(effect.body)) this.said.set(item, (this.said.get(item) ?? 0) + 1)
        this.#at(this.now + delay + HOP_CYCLES, { what: "input", to: effect.to, input: { kind: "message", from: id, body: effect.body } })
      } else if (effect.kind === "timer") {
        part.timers.set(effect.key, Math.max(effect.at, this.now))
        this.#at(Math.max(effect.at, this.now), { what: "input", to: id, input: { kind: "timer", key: effect.key } })
      } else if (effect.kind === "cancel") part.timers.delete(effect.key)
      else if (effect.kind === "persist") part.unsynced.push(effect.key)
    }
    this.#sync(id, part)
  }

  #sync(id: ActorId, part: Part): void {
    if (part.isSyncing || part.unsynced.length === 0) return
    part.isSyncing = true
    this.#at(this.now + SYNC_CYCLES, { what: "synced", to: id, keys: part.unsynced })
    part.unsynced = []
  }

  #at(at: number, happening: Happening): void {
    this.#queue.push({ at, order: this.#order++, happening })
  }
}

/** What a message holds, by name: a repeated request is a `repeat`, a copy stands with its reason. */
function itemsOf(body: KvMessage): readonly string[] {
  if (body.kind === "KvAsk") return body.requests.map(({ attempt }) => (attempt === 0 ? "request" : "repeat"))
  if (body.kind === "KvTell") return body.answers.map(({ ok }) => (ok ? "answer" : "refusal"))
  if (body.kind !== "KvPeer") return [body.kind]
  return body.items.map((item) => (item.type === "replicate" ? `replicate ${item.reason}` : item.type))
}

const lengths = new WeakMap<KvMessage, number>()

function lengthOf(body: KvMessage): number {
  const known = lengths.get(body) ?? JSON.stringify(body).length
  lengths.set(body, known)
  return known
}
