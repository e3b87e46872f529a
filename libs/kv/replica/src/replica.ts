/**
 * A replica of the key-value store: coordinates requests, holds partitions, repairs what diverged.
 *
 * The walk of a write: gateway → coordinator → holders → coordinator → gateway (4 messages; a coordinator that holds no copy adds a forward). The
 * machine only sorts: requests go to their coordinator, items of peers to the part that asked for them, notices of the disk to who
 * waits, timers to the rounds. Its states are those of its parts; see README.md for the invariants.
 */
import { unreachable } from "@backplane/foundation-base/assert"
import type { Json } from "@backplane/foundation-base/json"
import { isActorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { closeSpan, event, persist, timer } from "@backplane/foundation-actor/effects"
import type { Input, Machine, Restored } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { KeyOperation, KvAsk, KvRequest } from "@backplane/kv-contract/client-messages"
import type { KeySource } from "@backplane/kv-contract/compute-messages"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { PARTITIONS, REQUESTS_UNDER_WAY_MAX } from "@backplane/kv-contract/limits"
import type { PeerItem, PeerItemOf } from "@backplane/kv-contract/peer-items"
import type { StoreConfig } from "@backplane/kv-contract/store-config"
import { hashOf } from "@backplane/kv-replication/hash"
import { DAMAGE_KEY, losesEndOnly } from "@backplane/kv-store/log-store"
import { AntiEntropy } from "./anti-entropy.ts"
import { ConfigKeeper } from "./config-keeper.ts"
import { Certifier } from "./certifier.ts"
import { Computer, type KeyValues } from "./computer.ts"
import { ReplicaCore } from "./core.ts"
import { damageTold } from "./damage-told.ts"
import type { Waiter } from "./durable-writes.ts"
import { HintKeeper } from "./hint-keeper.ts"
import { LateRequests } from "./late-requests.ts"
import { LinearHost } from "./linear-host.ts"
import type { KvEffect } from "./outbox.ts"
import { Mover } from "./mover.ts"
import { OutsideHandlers } from "./outside-handlers.ts"
import { ReadCoordinator } from "./read-coordinator.ts"
import { healthOf, inspected } from "./replica-health.ts"
import { restore } from "./restore.ts"
import { LATE, LONE, rejection, whatIsWrong } from "./rejections.ts"
import type { ReplicaOptions } from "./replica-options.ts"
import { Scanner } from "./scanner.ts"
import { StateKeeper } from "./state-keeper.ts"
import { Watchers } from "./watchers.ts"
import { WriteCoordinator } from "./write-coordinator.ts"

export class ReplicaMachine implements Machine<KvMessage, KvMessage> {
  readonly #core: ReplicaCore
  readonly #writes: WriteCoordinator
  readonly #reads: ReadCoordinator
  readonly #keeper: StateKeeper
  readonly #hints: HintKeeper
  readonly #sync: AntiEntropy
  readonly #certifier: Certifier
  readonly #linear: LinearHost
  readonly #configs: ConfigKeeper
  readonly #mover: Mover
  readonly #watchers: Watchers
  readonly #scanner: Scanner
  readonly #computer: Computer
  readonly #outside: OutsideHandlers
  readonly #late: LateRequests
  /** Rounds that have a timer running. */
  readonly #armed = new Set<string>()
  /** What the disk was told last of `writes.toldUpTo`. */
  #told = 0

  constructor(options: ReplicaOptions) {
    this.#core = new ReplicaCore(options)
    this.#writes = new WriteCoordinator(this.#core)
    this.#reads = new ReadCoordinator(this.#core)
    this.#keeper = new StateKeeper(this.#core)
    this.#hints = new HintKeeper(this.#core)
    this.#sync = new AntiEntropy(this.#core)
    this.#certifier = new Certifier(this.#core)
    this.#linear = new LinearHost(this.#core, (text) => this.#configs.onText(text))
    this.#configs = new ConfigKeeper(this.#core, () => this.#onConfig())
    this.#mover = new Mover(this.#core, this.#configs, this.#linear)
    this.#watchers = new Watchers(this.#core)
    this.#computer = new Computer(this.#core)
    this.#outside = new OutsideHandlers(this.#core, (requester, request, operation) => this.#writes.begin(requester, request, operation))
    this.#core.onKept.push((record) => this.#outside.onKept(record))
    this.#scanner = new Scanner(this.#core, this.#linear)
    // No request is begun later than whoever coordinates it would give it up.
    this.#late = new LateRequests(this.#core.timings.deadline)
  }

  /** For checkers and metrics: what this replica knows, as it is. */
  get view(): Pick<ReplicaCore, "table" | "shelf" | "unsure" | "id" | "config"> & {
    readonly linear: LinearHost
    readonly keysCopied: number
  } {
    const { table, shelf, unsure, id, config } = this.#core
    return { table, shelf, unsure, id, config, linear: this.#linear, keysCopied: this.#mover.keysCopied }
  }

  /** For the worker beside this replica: the keys as they are here now. */
  entries(source: KeySource): readonly KeyValues[] | null {
    return this.#computer.entries(source)
  }

  start(now: VirtualTime, restored: Restored): readonly KvEffect[] {
    const core = this.#core
    const lives = Number(restored.get("lives") ?? 0) + 1
    const damaged = restored.has(DAMAGE_KEY)
    const config = restored.get("config")
    if (config !== undefined) core.adopt(config as unknown as StoreConfig)
    core.damage = restored.get(DAMAGE_KEY) ?? null
    for (let partition = 0; damaged && partition < PARTITIONS; partition++) {
      if (!core.keeps(partition)) continue
      core.unsure.set(partition, new Set())
      this.#linear.damaged(partition)
    }
    core.lone.toldUpTo(restored.has("told") ? Number(restored.get("told")) : null)
    const linear = (key: string, value: Json): void => this.#linear.restore(key, value)
    for (const entry of restored) restore(core, entry, { linear, forgetsCuts: damaged && !losesEndOnly(core.damage) })
    core.begin(now, lives)
    if (damaged) core.outbox.effect(damageTold(core.id, core.damage))
    core.outbox.effect(persist("lives", lives))
    core.lone.begin()
    this.#outside.begin()
    this.#linear.wakeRestored()
    this.#mover.reconfigured()
    this.#configs.greet()
    this.#arm("sync", core.timings.syncRound)
    this.#arm("certify", core.timings.certifyRound)
    return this.#end()
  }

  step(now: VirtualTime, input: Input<KvMessage>): readonly KvEffect[] {
    this.#core.now = now
    this.#take(input)
    return this.#end()
  }

  /** What arrived together is answered together: this is where many requests become one message. */
  stepAll(now: VirtualTime, inputs: readonly Input<KvMessage>[]): readonly KvEffect[] {
    this.#core.now = now
    for (const input of inputs) this.#take(input)
    return this.#end()
  }

  #take(input: Input<KvMessage>): void {
    switch (input.kind) {
      case "message":
        this.#onMessage(input.from, input.body)
        break
      case "timer":
        this.#onTimer(input.key)
        break
      case "persisted":
        for (const waiter of this.#core.durable.done(input.key)) this.#onDurable(waiter)
        break
      default:
        unreachable(input)
    }
  }

  #onMessage(from: ActorId, body: KvMessage): void {
    switch (body.kind) {
      case "KvAsk":
        this.#onAsk(from, body)
        break
      case "KvPeer":
        this.#core.pace.spoke(from, this.#core.now)
        this.#core.versions.onPeer(from, body)
        for (const item of body.items) if (this.#configs.admits(from, item, body.epoch)) this.#onItem(from, item)
        break
      case "KvWatch":
        this.#watchers.onWatch(from, body)
        break
      case "KvComputed":
        this.#computer.onComputed(body)
        break
      case "KvHello":
        this.#core.outbox.effect(...this.#core.versions.onHello(from, body))
        break
      case "KvGone":
        this.#onGone(from)
        break
      case "KvReconciled":
        this.#outside.onReconciled(from, body)
        break
      case "KvChanged":
      case "KvReconcile":
      case "KvCompute":
        break // Replicas watch nobody, and compute nothing themselves.
      case "KvTell":
        this.#configs.onAnswers(body.answers)
        break
      default:
        unreachable(body)
    }
  }

  /** A peer is known to be gone: nobody waits for a deadline to find that out. */
  #onGone(peer: ActorId): void {
    this.#core.pace.gone(peer)
    this.#reads.gone(peer)
    this.#core.lone.gone(peer)
    this.#linear.gone(peer)
  }

  #onAsk(from: ActorId, { requests, sent }: KvAsk): void {
    const isLate = this.#isLate(from, sent)
    for (const request of requests)
      if (isLate) this.#core.outbox.answer(from, rejection(request.sequence, LATE))
      else this.#onRequest(from, request, "direct")
  }

  #isLate(from: ActorId, sent: number | undefined): boolean {
    return sent !== undefined && this.#late.isLate(from, sent, this.#core.now) && !this.#core.rules.doesLateRequests
  }

  #onRequest(requester: ActorId, request: KvRequest, way: "direct" | "forwarded"): void {
    const core = this.#core
    const { operation, sequence } = request
    if (operation.type === "mapreduce") return this.#computer.begin(requester, request, operation)
    if (operation.type === "scan") return this.#scanner.answer(requester, request, operation)
    const stored = core.book.find(requester, sequence)
    if (stored === "open") return
    if (stored !== undefined) {
      core.outbox.answer(requester, stored)
      return
    }
    const wrong = whatIsWrong(core, operation)
    if (wrong !== null) {
      core.outbox.answer(requester, rejection(sequence, wrong))
      return
    }
    const holders = core.holders(operation)
    const isLinear = core.bucket(operation.bucket)?.bucket.policy === "linear"
    const isRead = operation.type === "get" && !isLinear
    const standsIn = "sloppy" in operation && operation.sloppy === true && request.attempt >= holders.length && operation.type !== "update"
    // Registers: also who will hold the partition, for it may lead its group already.
    const takes = isLinear ? core.isKeeper(operation) : core.isHolder(operation)
    if (!isRead && !takes && !(standsIn && way === "direct")) {
      this.#forward(requester, { ...request, operation }, way)
      return
    }
    if (!isRead && !isLinear && core.lone.has(operation)) {
      core.outbox.answer(requester, rejection(sequence, LONE))
      return
    }
    // Bounded, and said at once: work that waits behind so much would be too late for whoever asked for it.
    if (this.#writes.count + this.#reads.count + this.#linear.count >= REQUESTS_UNDER_WAY_MAX) {
      const remedy = `ask again in a while: this replica has ${REQUESTS_UNDER_WAY_MAX} requests under way`
      core.outbox.answer(requester, rejection(sequence, { reason: "busy", remedy }))
      return
    }
    // A read may be done twice; all else is known by its sequence.
    if (!isRead) core.book.set(requester, sequence, "open")
    if (operation.type === "cas" || (operation.type === "get" && isLinear)) this.#linear.begin(requester, request, operation, way)
    else if (operation.type === "get") this.#reads.begin(requester, request, operation)
    else this.#writes.begin(requester, request, operation)
  }

  /** To a holder, another one each attempt. */
  #forward(requester: ActorId, request: KvRequest & { readonly operation: KeyOperation }, way: "direct" | "forwarded"): void {
    const core = this.#core
    const holders = core.holders(request.operation)
    if (way === "forwarded") {
      core.outbox.answer(requester, rejection(request.sequence, { reason: "busy", remedy: "ask again: the partition is being moved" }))
      return
    }
    const to = holders[(hashOf(`${requester}#${request.sequence}`).low + request.attempt) % holders.length]
    const sent = core.versions.isMixed ? {} : { sent: core.now }
    if (to !== undefined) core.outbox.send(to, { type: "forward", requester, request: core.versions.request(to, request), ...sent })
  }

  #onItem(from: ActorId, item: PeerItem): void {
    switch (item.type) {
      case "forward":
        this.#onForward(from, item)
        break
      case "replicate":
        this.#keeper.onReplicate(from, item)
        break
      case "replicated":
        this.#writes.onReplicated(from, item)
        this.#hints.onReplicated(from, item)
        break
      case "fetch":
        this.#reads.onFetch(from, item)
        break
      case "fetched":
        this.#reads.onFetched(from, item)
        this.#core.lone.onFetched(from, item)
        this.#core.doubts.onFetched(from, item)
        break
      case "sync-roots":
        this.#sync.onRoots(from, item)
        break
      case "sync-nodes":
        this.#sync.onNodes(from, item)
        break
      case "sync-leaves":
        this.#sync.onLeaves(from, item)
        break
      case "sync-keys":
        this.#sync.onKeys(from, item)
        break
      case "sync-states":
        this.#sync.onStates(from, item)
        this.#mover.onStates(from, item)
        break
      case "certificate-ask":
        this.#certifier.onAsk(from, item)
        break
      case "certificate-vote":
        this.#certifier.onVote(from, item)
        break
      case "certified":
        this.#certifier.onCertified(item)
        break
      case "config-ask":
        this.#configs.onAsk(from)
        // Who asks refused what it was told before it knew: tell it again behind the configuration.
        this.#writes.hurry()
        this.#reads.hurry()
        break
      case "config-tell":
        this.#configs.adopt(item.config)
        break
      case "move-ask":
        this.#mover.onAsk(from, item)
        break
      case "move-page":
        this.#mover.onPage(from, item)
        break
      case "consensus":
        this.#linear.onItem(from, item)
        break
      default:
        unreachable(item)
    }
  }

  #onForward(from: ActorId, { requester, request, sent }: PeerItemOf<"forward">): void {
    if (!isActorId(requester)) return
    if (this.#isLate(from, sent)) this.#core.outbox.answer(requester, rejection(request.sequence, LATE))
    else this.#onRequest(requester, request, "forwarded")
  }

  #onDurable(waiter: Waiter): void {
    switch (waiter.kind) {
      case "write":
        return this.#writes.onDurable(waiter.id)
      case "acknowledge":
        this.#core.outbox.atEnd(closeSpan(`copy/${waiter.id}`))
        return this.#core.outbox.send(waiter.to, {
          type: "replicated",
          id: waiter.id,
          ok: true,
          ...(waiter.held ? { held: true } : {}),
          ...(waiter.refused === undefined ? {} : { refused: [...waiter.refused] }),
        })
      case "read":
        return this.#reads.onDurable(waiter.id)
      case "fetch":
        return this.#reads.onFetch(waiter.to, waiter)
      case "consensus":
        return this.#linear.onDurable(waiter.partition, waiter.ticket)
      case "moved":
        return this.#mover.onDurable(waiter.partition, waiter.source)
      default:
        return unreachable(waiter)
    }
  }

  #onTimer(key: string): void {
    const { timings } = this.#core
    this.#armed.delete(key)
    switch (key) {
      case "retry":
        this.#writes.tick()
        this.#reads.tick()
        this.#core.lone.tick()
        this.#core.doubts.tick()
        break
      case "hedge":
        this.#reads.hedge()
        break
      case "hint":
        this.#hints.round()
        break
      case "consensus":
        this.#linear.tick()
        break
      case "handler":
        this.#outside.tick()
        break
      case "move":
        this.#mover.tick((partition) => this.#writes.isBusyWith(partition))
        this.#configs.tick()
        break
      case "sync":
        this.#sync.round()
        this.#tellDisk()
        this.#configs.round()
        this.#arm("sync", timings.syncRound)
        break
      case "certify":
        this.#certifier.round()
        this.#core.outbox.effect(event("kv.state", healthOf(this.#core)))
        this.#arm("certify", timings.certifyRound)
        break
    }
  }

  /** So that only what was made since is looked into when this replica begins again. */
  #tellDisk(): void {
    const told = this.#writes.toldUpTo()
    if (told <= this.#told) return
    this.#told = told
    this.#core.durable.write("told", told, null)
  }

  /** The end of a step: what need not wait, timers that are needed now, and all that was said. */
  #end(): readonly KvEffect[] {
    const { ready, timings, shelf, outbox } = this.#core
    this.#linear.flush()
    for (let waiter = ready.shift(); waiter !== undefined; waiter = ready.shift()) this.#onDurable(waiter)
    if (this.#writes.count > 0 || this.#reads.count > 0 || this.#core.lone.count > 0 || this.#core.doubts.count > 0)
      this.#arm("retry", timings.retry)
    if (this.#reads.mayHedge) this.#arm("hedge", timings.hedge)
    if (shelf.count > 0) this.#arm("hint", timings.hintRound)
    if (!this.#outside.isIdle) this.#arm("handler", timings.handler)
    if (!this.#linear.isIdle) this.#arm("consensus", Math.floor(timings.heartbeat / 2))
    if (!this.#mover.isIdle || !this.#configs.isIdle) this.#arm("move", timings.move)
    return outbox.flush()
  }

  /** A later configuration is in force: what it changes for each part. */
  #onConfig(): void {
    for (const partition of this.#core.doubted.splice(0)) this.#linear.damaged(partition)
    this.#linear.reconfigured()
    this.#mover.reconfigured()
    this.#core.lone.reconfigured()
    this.#core.doubts.reconfigured()
    this.#writes.hurry()
    this.#reads.hurry()
  }

  inspect(): Json {
    const { keysCopied, awaitsRegisters } = this.#mover
    return inspected(this.#core, { keysCopied, awaitsRegisters })
  }

  #arm(key: string, cycles: number): void {
    if (this.#armed.has(key)) return
    this.#armed.add(key)
    this.#core.outbox.effect(timer(key, after(this.#core.now, cycles)))
  }
}
