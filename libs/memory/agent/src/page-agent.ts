/**
 * The node's side of shared memory: every page of one space at one node, and the frames that lie here.
 *
 * It carries out what the protocol says (memory/coherence): sends messages, moves bytes, gives and takes the rights of the node's CPUs, and
 * keeps the only timer of a request. At the node where a page's frame lies, frame and copy are the same bytes. Not here: CPUs and their
 * instructions; the home (memory/controller).
 */
import { event, send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { assert, defined } from "@backplane/foundation-base/assert"
import { decodeBase64, encodeBase64 } from "@backplane/foundation-base/base64"
import {
  access,
  evict,
  hear,
  heldPage,
  newHome,
  newPageRecord,
  retire,
  timeOut,
  waitsForHome,
  type PageContext,
  type PageEffect,
  type PageRecord,
} from "@backplane/memory-coherence/page-record"
import { PROTOCOL, type Protocol } from "@backplane/memory-coherence/rules"
import { has, type Flow } from "@backplane/memory-coherence/flow"
import { ImpossibleMessage } from "@backplane/memory-coherence/impossible"
import type {
  PageBytes,
  PageMessage,
  PageOperation,
  PagesAdvice,
  PagesAsk,
  PagesGone,
  PagesRun,
} from "@backplane/memory-contract/coherence-messages"
import { flowOf, pageMessage } from "@backplane/memory-coherence/message-flow"
import type { AgentCounts, AgentOptions, AgentOut, PageText } from "./agent-options.ts"
import { bytesOf, FrameHost, OWN_FRAME } from "./frame-host.ts"
import { Losses } from "./losses.ts"
import { MissCounts } from "./miss-counts.ts"
import { hashOfPage } from "@backplane/foundation-base/page-hash"
import { messagesOf } from "./page-runs.ts"
import { PageSpans } from "./page-spans.ts"
import { PagesWantedOfSteps } from "./pages-wanted.ts"
import { RunLimits } from "./run-limits.ts"
import { WalkAhead } from "./walk-ahead.ts"
import { PageWatch, type Watched } from "./page-watch.ts"
import { pagesReports, type SpacePages } from "./page-reports.ts"

const PAGE_BYTES = 4096

interface LocalPage extends Watched {
  /** When the record last said something that it waits for, or was pinned. */
  saidAt: number
  pinnedAt: number
  /** The operation that an `Operate` is for. */
  operation: PageOperation | null
}

export class PageAgent {
  /** How many pages go in one message to whom, for `gathered`. */
  readonly runs: RunLimits
  readonly #options: AgentOptions
  readonly #protocol: Protocol
  readonly #text: PageText
  readonly #pages = new Map<number, LocalPage>()
  readonly #frames: FrameHost
  /** Life of each home as known here. */
  readonly #epochs = new Map<ActorId, number>()
  readonly #watch = new PageWatch()
  readonly #misses = new MissCounts()
  readonly #losses: Losses
  readonly #spans: PageSpans
  readonly #wanted: PagesWantedOfSteps
  /** Pages of other nodes of which there is a copy here, the oldest first; and those that were pushed here. */
  readonly #copies = new Set<number>()
  readonly #pushed = new Set<number>()
  readonly #walks: WalkAhead | null
  /** Pages that were asked for before anybody wanted them, and have not come: nobody holds on to them. */
  readonly #ahead = new Set<number>()
  /** While pages are asked for ahead: the span of the miss that they are asked for with. */
  #walkSpan: string | null = null
  /** By home: pages that the guest had better do without. */
  readonly #balloons = new Map<ActorId, number>()
  #timerSet = false
  #countedAt = 0
  readonly #counts = { getS: 0, getM: 0, operations: 0, taken: 0, repeats: 0, brokenPins: 0 }

  constructor(options: AgentOptions) {
    this.#options = options
    this.#protocol = options.protocol ?? PROTOCOL
    this.#text = options.text ?? { encode: encodeBase64, decode: decodeBase64 }
    const { space, node, nodes, memory, onOperated, walkPages } = options
    this.#losses = new Losses(options)
    this.runs = new RunLimits(options)
    this.#spans = new PageSpans(options)
    this.#wanted = new PagesWantedOfSteps(options)
    this.#walks = walkPages === undefined ? null : new WalkAhead(walkPages.ahead)
    this.#frames = new FrameHost({
      space,
      place: node,
      nodes,
      protocol: this.#protocol,
      text: this.#text,
      read: (page, into) => memory.read(page, into),
      write: (page, bytes) => {
        memory.write(page, bytes)
      },
      ...(onOperated !== undefined && { onOperated }),
    })
  }

  get timerKey(): string {
    return `pages/${this.#options.space}`
  }

  counts(): AgentCounts {
    return { ...this.#counts }
  }

  /** A CPU must use the page. True: it may now; else it waits for `onChange` or `onResult`. */
  access(
    now: VirtualTime,
    want: { readonly page: number; readonly write: boolean; readonly operation?: PageOperation | null },
    out: AgentOut,
  ): boolean {
    const { page, write, operation = null } = want
    const local = this.#local(page)
    const isFar = operation !== null && this.#losses.isContended(now, page)
    const kind = isFar ? "Operate" : write ? "Store" : "Load"
    if (isFar && (local.record.state === "I" || local.record.state === "R")) local.operation = operation
    // Asked for ahead, and now somebody waits for it: it will be held for them.
    this.#ahead.delete(page)
    const asked = local.record.txn
    const { ready, effects } = access(this.#context(page), local.record, kind)
    this.#carryOut(now, { page, flow: null, effects }, out)
    if (!ready && local.record.txn !== asked && !isFar) this.#askAhead(now, { page, kind }, out)
    return ready
  }

  /** Pages that a walk comes to next are asked for with the one that it waits for. */
  #askAhead(now: VirtualTime, { page, kind }: { readonly page: number; readonly kind: "Load" | "Store" | "Operate" }, out: AgentOut): void {
    const { walkPages } = this.#options
    if (this.#walks === null || walkPages === undefined) return
    // With so many under way nobody would wait the less: it is the harts that read ahead of each other.
    if (walkPages.when === "if-free" && (kind !== "Load" || this.#watch.underWay > walkPages.ahead / 2)) return
    const span = this.#spans.of(out)
    const wanted = this.#walks.missed(page).filter((next) => next >= 0 && next < walkPages.pages && this.#local(next).record.state === "I")
    if (walkPages.when === "if-free")
      return this.#wanted.ask({ pages: wanted, span, epochOf: (home) => this.#epochs.get(home) ?? FIRST_EPOCH }, out)
    this.#bringAhead(now, { pages: wanted, kind, span }, out)
  }

  /** Asks for them, though nobody waits for them yet. One trace for all, and so few messages. */
  #bringAhead(
    now: VirtualTime,
    { pages, kind, span }: { readonly pages: readonly number[]; readonly kind: "Load" | "Store" | "Operate"; readonly span: string },
    out: AgentOut,
  ): void {
    this.#walkSpan = span
    for (const page of pages) {
      const { record } = this.#local(page)
      if (record.state !== "I") continue
      this.#ahead.add(page)
      this.#carryOut(now, { page, flow: null, effects: access(this.#context(page), record, kind).effects }, out)
    }
    this.#walkSpan = null
  }

  /** An instruction of a CPU that waited for these pages has completed: they may go. */
  retired(now: VirtualTime, pages: Iterable<number>, out: AgentOut): void {
    for (const page of pages) {
      const local = this.#pages.get(page)
      if (local?.record.pinned !== true) continue
      this.#carryOut(now, { page, flow: null, effects: retire(this.#context(page), local.record) }, out)
    }
    this.#makeRoom(now, out)
  }

  /** Gives a page's memory back, if that can be begun now. */
  evict(now: VirtualTime, page: number, out: AgentOut): boolean {
    const { accepted, effects } = evict(this.#context(page), this.#local(page).record)
    this.#carryOut(now, { page, flow: null, effects }, out)
    return accepted
  }

  /** Any message of the contract to a node with this one space. */
  hearAny(now: VirtualTime, from: ActorId, body: PageMessage | PagesRun | PagesAsk | PagesGone | PagesAdvice, out: AgentOut): void {
    if (body.kind === "PagesRun") {
      const messages = messagesOf(body, this.#text)
      if (body.of === "PageData") this.runs.heard(from, messages.length, out)
      return this.#frames.together(messages.length, () => {
        for (const each of messages) this.hear(now, each, out)
      })
    }
    if (body.kind === "PagesGone") return this.gone(from, body.epoch)
    if (body.kind === "PagesHashAsk") return this.#tellHashes(from, body, out)
    if (body.kind === "PagesDone") return this.#done(now, body, out)
    if (body.kind === "PagesBring") {
      if (body.epoch === (this.#epochs.get(from) ?? FIRST_EPOCH)) this.#bringAhead(now, { pages: body.pages, kind: "Load", span: "" }, out)
      return
    }
    if (body.kind === "PagesTake") return this.runs.note(from, body.pages)
    if (body.kind === "PagesBalloon") return void this.#balloons.set(from, body.pages)
    if (body.kind !== "PagesAsk") return this.hear(now, body, out)
    const pages = this.asked(from, body)
    if (pages === null) return
    for (const report of pagesReports(this.#options.node, body.epoch, [pages])) out.push(send(from, report))
    this.recount(now, out)
  }

  /** Requests that are over, of many pages. */
  #done(now: VirtualTime, { space, epoch, node, done }: Extract<PagesAdvice, { kind: "PagesDone" }>, out: AgentOut): void {
    for (let at = 0; at + 1 < done.length; at += 2) {
      const [page = 0, txn = 0] = [done[at], done[at + 1]]
      if (this.#pages.has(page)) this.hear(now, { kind: "PageDone", space, page, epoch, node, txn }, out)
    }
  }

  /** Pages that the guest had better do without in all, as its homes last said. */
  get balloon(): number {
    return [...this.#balloons.values()].reduce((sum, pages) => sum + pages, 0)
  }

  /** The guest does without the page. What is in it is zero from then on where that can be done at once, else what it was. */
  spare(page: number, out: AgentOut): void {
    const { memory, node, space, homeOf } = this.#options
    const { record } = this.#local(page)
    // Nobody else has it: zeros take no room anywhere.
    if (record.state === "M") memory.write(page, new Uint8Array(PAGE_BYTES))
    out.push(send(homeOf(page), { kind: "PagesSpare", space, node, epoch: this.#context(page).epoch, pages: [page] }))
  }

  /** What is in the pages that lie here. */
  #tellHashes(home: ActorId, { pages, epoch }: Extract<PagesAdvice, { kind: "PagesHashAsk" }>, out: AgentOut): void {
    if (epoch !== (this.#epochs.get(home) ?? FIRST_EPOCH)) return
    const { space, node, memory } = this.#options
    const here = pages.filter((page) => this.#pages.get(page)?.record.hasBytes === true || this.#frames.has(page))
    if (here.length === 0) return
    out.push(send(home, { kind: "PagesHashes", space, node, epoch, hashes: here.flatMap((page) => [page, hashOfPage(memory.read(page))]) }))
  }

  hear(now: VirtualTime, body: PageMessage, out: AgentOut): void {
    const { page } = body
    if (body.kind === "PageBring") return this.#bring(now, body, out)
    try {
      this.#hearFlow(now, body, out)
    } catch (error) {
      if (!(error instanceof ImpossibleMessage) || this.#options.strict === true) throw error
      const about = { "backplane.kind": body.kind, "backplane.space": this.#options.space, "backplane.page": page }
      out.push(event("page-message-refused", { ...about, "backplane.reason": error.message }, "warn"))
    }
  }

  /** Somebody thinks that the page will be read here. */
  #bring(now: VirtualTime, { page, epoch }: Extract<PageMessage, { kind: "PageBring" }>, out: AgentOut): void {
    if (epoch !== this.#context(page).epoch) return
    this.#pushed.add(page)
    this.access(now, { page, write: false }, out)
  }

  #hearFlow(now: VirtualTime, body: PageMessage, out: AgentOut): void {
    const { page } = body
    const flow = flowOf(body)
    if (FrameHost.isFor(flow)) return this.#atStore(now, body, flow, out)
    // Only the home's own word about its life counts (`ask`); a message of another life is ignored in there.
    const { record } = this.#local(page)
    const before = record.state
    const effects = hear(this.#context(page), record, flow)
    if (effects.some((effect) => effect.kind === "rights" && effect.rights !== "write"))
      this.#spans.note(body.kind === "PageData" ? "mem.fetch" : "mem.shootdown", page, out)
    this.#carryOut(now, { page, flow: body, effects }, out)
    if (body.kind === "PageRefused") this.#options.onRefused?.(page, body.reason)
    if (record.state !== before) this.#options.onChange(page)
  }

  /** The home begins a new life, or did not get the answer. */
  asked(home: ActorId, { epoch, gone }: { readonly epoch: number; readonly gone: number }): SpacePages | null {
    const known = this.#epochs.get(home) ?? FIRST_EPOCH
    if (epoch < known) return null
    this.#epochs.set(home, epoch)
    const held: number[] = []
    for (const [page, { record }] of [...this.#pages].sort(([a], [b]) => a - b)) {
      if (this.#options.homeOf(page) !== home) continue
      if (epoch > known) newHome(this.#context(page), record)
      // Where the frame died, the owner's node is where it lies from now on.
      if (record.home >= 0 && has(gone, record.home)) record.home = this.#options.node
      const copy = heldPage(record)
      if (copy !== null) held.push(page, HOLDS.indexOf(copy.holds), copy.version, copy.serial)
    }
    return { space: this.#options.space, held, stored: this.#frames.report((page) => this.#options.homeOf(page) === home) }
  }

  /**
   * The home took this node for dead, and others have gone on without it: everything that lies here counts for nothing any more. CPUs that wait
   * ask anew.
   */
  gone(home: ActorId, epoch: number): void {
    if (epoch <= (this.#epochs.get(home) ?? FIRST_EPOCH)) return
    this.#epochs.set(home, epoch)
    for (const [page, local] of [...this.#pages]) {
      if (this.#options.homeOf(page) !== home) continue
      this.#options.memory.setRights(page, "none")
      this.#pages.delete(page)
      this.#misses.forget(page)
      this.#losses.forget(page)
      this.#ahead.delete(page)
      this.#watch.forget(page, local)
      this.#frames.drop(page)
      this.#options.onChange(page)
    }
  }

  /** A home in a new life knows no counts: all are told again. */
  recount(now: VirtualTime, out: AgentOut): void {
    this.#misses.tellAllAgain()
    this.#setTimer(now, out)
  }

  /** How often this node missed on pages, where that has changed; said again and again, it is the same. */
  tellCounts(out: AgentOut): void {
    this.#misses.tell(this.#options, (home) => this.#epochs.get(home) ?? FIRST_EPOCH, out)
  }

  onTimer(now: VirtualTime, out: AgentOut): void {
    this.#timerSet = false
    if (this.#options.countCycles !== undefined && now - this.#countedAt >= this.#options.countCycles) {
      this.#countedAt = now
      this.tellCounts(out)
    }
    const { retryCycles, pinCycles } = this.#options
    for (const page of this.#watch.pages()) {
      const local = this.#local(page)
      if (local.record.pinned && now - local.pinnedAt >= pinCycles) this.retired(now, [page], out)
      if (!waitsForHome(local.record) || now - local.saidAt < retryCycles) continue
      this.#counts.repeats += 1
      this.#carryOut(now, { page, flow: null, effects: timeOut(this.#context(page), local.record) }, out)
      local.saidAt = now
    }
    this.#setTimer(now, out)
  }

  /** The bytes as this node knows them, and how fresh they are: for checkers and pictures. */
  inspect(page: number): { readonly state: PageRecord["state"]; readonly version: number; readonly stored: number | null } {
    const record = this.#pages.get(page)?.record
    return { state: record?.state ?? "I", version: record?.version ?? 0, stored: this.#frames.versionOf(page) }
  }

  /** Pages that are known here, with their state. */
  states(): readonly { readonly page: number; readonly state: PageRecord["state"]; readonly home: number }[] {
    return [...this.#pages].map(([page, { record }]) => ({ page, state: record.state, home: record.home })).sort((a, b) => a.page - b.page)
  }

  #local(page: number): LocalPage {
    const known = this.#pages.get(page)
    if (known !== undefined) return known
    const local = { record: newPageRecord(), saidAt: 0, pinnedAt: 0, operation: null, underWay: false, watched: false }
    this.#pages.set(page, local)
    return local
  }

  #context(page: number): PageContext {
    const { node, homeOf } = this.#options
    return { protocol: this.#protocol, node, epoch: this.#epochs.get(homeOf(page)) ?? FIRST_EPOCH, value: 0 }
  }

  #carryOut(
    now: VirtualTime,
    { page, flow, effects }: { readonly page: number; readonly flow: PageMessage | null; readonly effects: readonly PageEffect[] },
    out: AgentOut,
  ): void {
    const local = this.#local(page)
    for (const effect of effects) {
      switch (effect.kind) {
        case "send":
          this.#say(now, page, effect, out)
          break
        case "rights":
          if (effect.rights === "none") this.#taken(now, page, local)
          this.#options.memory.setRights(page, effect.rights)
          break
        case "fill":
          assert(flow?.kind === "PageData", "bytes come as data")
          this.#fill(page, flow.bytes)
          break
        case "forget":
          break
        case "granted":
          local.pinnedAt = now
          if (this.#options.copiesMax !== undefined && local.record.home !== this.#options.node) this.#copies.add(page)
          this.#spans.close(page, out)
          break
        case "refused":
          local.operation = null
          this.#spans.close(page, out, flow?.kind === "PageRefused" ? flow.reason : "refused")
          break
        case "result":
          assert(flow?.kind === "PageResult", "an operation has a result")
          local.operation = null
          this.#spans.close(page, out)
          this.#options.onResult(page, BigInt(flow.value))
      }
    }
    this.#watch.note(page, local)
    if (!local.underWay && this.#ahead.delete(page)) {
      // No instruction waits for it (but in its own right, with a pin of its own).
      if (local.record.pinned) return this.#carryOut(now, { page, flow: null, effects: retire(this.#context(page), local.record) }, out)
    }
    // Frame and copy are the same bytes here: what the copy has seen, the frame has.
    if (local.record.hasBytes) this.#frames.keepFresh(page, local.record.version)
    this.#setTimer(now, out)
  }

  /** Copies that there is no room for any more go, if they can now. */
  #makeRoom(now: VirtualTime, out: AgentOut): void {
    const { copiesMax } = this.#options
    if (copiesMax === undefined) return
    for (const page of [...this.#copies]) {
      if (this.#copies.size <= copiesMax) return
      if (this.#local(page).record.home === this.#options.node || this.#pushed.has(page)) this.#copies.delete(page)
      else this.evict(now, page, out)
    }
  }

  #taken(now: VirtualTime, page: number, local: LocalPage): void {
    this.#counts.taken += 1
    this.#copies.delete(page)
    this.#pushed.delete(page)
    if (local.record.pinned) this.#counts.brokenPins += 1
    this.#losses.note(now, page)
  }

  #fill(page: number, bytes: PageBytes): void {
    // From the frame here to the copy here: the same bytes.
    if (bytes !== OWN_FRAME) this.#options.memory.write(page, bytesOf(bytes, this.#text))
  }

  #say(now: VirtualTime, page: number, { to, flow, bytes }: Extract<PageEffect, { kind: "send" }>, out: AgentOut): void {
    const local = this.#local(page)
    const { node, space, homeOf } = this.#options
    local.saidAt = now
    this.#count(page, flow)
    const target = to === "store" ? local.record.home : to
    const isLocal = target === node
    const extras = {
      space,
      page,
      home: local.record.home,
      bytes: !bytes ? undefined : isLocal ? OWN_FRAME : this.#text.encode(this.#options.memory.read(page)),
      operation: flow.kind === "Operate" ? defined(local.operation ?? undefined, "an operation is asked for") : undefined,
    }
    const body = pageMessage(flow, extras)
    if (isLocal) return this.hear(now, body, out)
    if (flow.kind === "GetS" || flow.kind === "GetM" || flow.kind === "Operate") {
      const span = this.#walkSpan ?? this.#spans.ask(page, flow.kind === "GetS" ? "mem.GetS" : "mem.GetM", out)
      return void out.push(...this.runs.announced(), send(homeOf(page), body, span))
    }
    assert(target === "home" || target >= 0, "the frame of a page that was here is known")
    out.push(send(this.#actorOf(target, page), body))
  }

  #count(page: number, { kind }: Flow): void {
    if (kind !== "GetS" && kind !== "GetM" && kind !== "Operate") return
    this.#misses.note(page, kind !== "GetS")
    if (kind === "GetS") this.#counts.getS += 1
    else if (kind === "GetM") this.#counts.getM += 1
    else this.#counts.operations += 1
  }

  #atStore(now: VirtualTime, body: PageMessage, flow: Flow, out: AgentOut): void {
    const { page } = body
    if (flow.kind === "HandOver" || flow.kind === "Frame") this.#spans.note("mem.frame", page, out)
    for (const { to, body: answer } of this.#frames.hear(body, flow, this.#context(page).epoch)) {
      if (to === this.#options.node) this.hear(now, answer, out)
      else out.push(send(this.#actorOf(to, page), answer))
    }
  }

  #actorOf(to: "home" | number, page: number): ActorId {
    const { homeOf, nodeActor, nodes, storeOf } = this.#options
    if (to === "home") return homeOf(page)
    return to < nodes ? nodeActor(to) : defined(storeOf, "a machine with a page store says which")(page)
  }

  #setTimer(now: VirtualTime, out: AgentOut): void {
    const tells = this.#options.countCycles !== undefined && this.#misses.anyUntold
    if (this.#timerSet || (!this.#watch.any && !tells)) return
    this.#timerSet = true
    // Nodes that take from each other in step would do so for ever: each looks at its own pace.
    const { retryCycles, pinCycles, node } = this.#options
    out.push(timer(this.timerKey, after(now, Math.min(retryCycles, pinCycles) + node)))
  }
}

/** Of a home that has not said otherwise. */
const FIRST_EPOCH = 1
const HOLDS = ["owner", "shared", "retained"] as const
