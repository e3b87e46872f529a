/**
 * The directory: for every page of every space who may hold it, and where its frame lies. The home's side of memory/coherence.
 *
 * Its state is soft: in a new life (another epoch) it asks all nodes what they hold and store, and serves nobody before it knows (D1). A page
 * that nobody has asked for has no entry; at the first request it gets a frame by the placement of its space (D2). The death of a node begins
 * a new epoch too: what was under way with the dead dissolves in it, and what had its only bytes there is lost and named (D3). Where there is a
 * page store, frames can lie there, too: it counts as one more place behind the nodes that never holds a copy; who asks for such a page has it
 * brought to a node first (D4), unless it is there to be shared by readers.
 * Not here: frames and leases of tasks (frame-ledger.ts); what moves when (page-policy.ts); bytes.
 */
import { closeSpan, event, noteSpan, openSpan, send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import { assert } from "@backplane/foundation-base/assert"
import { bit, COHERENT_NODES_MAX, has, nodesOf, type Flow } from "@backplane/memory-coherence/flow"
import { hearHome, type HomeSend } from "@backplane/memory-coherence/home-entry"
import { ImpossibleMessage } from "@backplane/memory-coherence/impossible"
import { flowOf, pageMessage } from "@backplane/memory-coherence/message-flow"
import { PROTOCOL, type Protocol } from "@backplane/memory-coherence/rules"
import type { CoherenceMessage, PageMessage, PagesReport } from "@backplane/memory-contract/coherence-messages"
import { keepOperation, newPage, operationOf, pagesOf, type DirectoryPage, type Spaces, type StoredFor } from "./directory-page.ts"
import { FrameCounts } from "./frame-counts.ts"
import { HeldDones } from "./held-dones.ts"
import { countOf, hurtBy, rebuildPages, type SpaceHurt } from "./rebuild-pages.ts"
import { Places } from "./places.ts"
import { WaitingRequests, type PageRequest } from "./waiting-requests.ts"

/** Where effects go. */
interface Out {
  push(...effects: readonly Effect<CoherenceMessage>[]): unknown
}

export interface DirectoryOptions {
  readonly nodes: number
  /** Life of the home. Deaths of nodes count on from it: at most `DEATHS_MAX` of them. */
  readonly epoch: number
  readonly nodeActor: (node: number) => ActorId
  /** Where the frame of a page goes that is touched for the first time; null: nowhere, memory is out. */
  readonly place: (page: { readonly space: string; readonly page: number; readonly toucher: number }) => number | null
  readonly protocol?: Protocol
  /** Where pages go that have no frame in a node; its place is `nodes`. */
  readonly store?: { readonly actor: ActorId; readonly pages: number }
  /** `place` found no frame: null, and the request waits for one that comes free; or why none will. Absent: none will. */
  readonly short?: (want: { readonly space: string; readonly page: number; readonly toucher: number }, out: Out) => string | null
  /** An earlier life may have known pages: nobody is served before all nodes have told. */
  readonly knowsNothing: boolean
  /** A message that no correct run shows ends the run instead of being refused: for tests of the protocol. */
  readonly strict?: boolean
}

/** Epochs of one life of the home: the first, and one more for each death of a node. */
export const DEATHS_MAX = 1023

export class Directory {
  readonly #options: DirectoryOptions
  readonly #protocol: Protocol
  readonly #places: Places
  #spaces: Spaces = new Map()
  readonly #reports = new Map<number, Map<number, PagesReport>>()
  /** Nodes that have told, or have nothing to tell, as bits. */
  #known: number
  readonly #all: number
  #epoch: number
  /** Dead nodes, as bits, until they have heard that they are. */
  #gone = 0
  /** Why it is being rebuilt: nodes that died, as bits, and what was known before; 0 and null: a new life. */
  #died = 0
  #before: Spaces | null = null
  readonly #hurt: SpaceHurt[] = []
  readonly #frames: FrameCounts
  readonly #waiting = new WaitingRequests()
  readonly #dones = new HeldDones()
  #requests = 0
  /** Effects of the step that was noted last. */
  #noted: Out | null = null
  /** Pages on their way to another frame: asked again until they are there. */
  readonly #moving = new Map<string, { readonly space: string; readonly page: number; readonly to: number }>()

  constructor(options: DirectoryOptions) {
    this.#options = options
    this.#protocol = options.protocol ?? PROTOCOL
    assert(options.nodes + (options.store === undefined ? 0 : 1) <= COHERENT_NODES_MAX, "places are bits of a mask")
    this.#places = new Places(options)
    this.#all = this.#places.all
    this.#epoch = options.epoch
    this.#frames = new FrameCounts(options.nodes)
    this.#known = options.knowsNothing ? 0 : this.#all
  }

  get epoch(): number {
    return this.#epoch
  }

  /** Nodes that have not told yet what they hold. */
  unknown(): readonly number[] {
    return nodesOf(this.#all & ~this.#known)
  }

  /** Asks them (again). */
  ask(out: Out): void {
    for (const node of this.unknown()) out.push(send(this.#places.actorAt(node), this.#pagesAsk()))
  }

  #isStored({ home }: DirectoryPage): boolean {
    return home === this.#frames.storePlace
  }

  #pagesAsk(): CoherenceMessage {
    return { kind: "PagesAsk", epoch: this.#epoch, gone: this.#gone }
  }

  hear(from: ActorId, body: PageMessage, out: Out): void {
    const node = this.nodeOf(from)
    if (node < 0) return this.#refuseMessage(from, body, "its sender is no node of the machine", out)
    if (body.epoch !== this.#epoch) {
      return void out.push(send(from, has(this.#gone, node) ? { kind: "PagesGone", epoch: this.#epoch } : this.#pagesAsk()))
    }
    this.#gone &= ~bit(node) // it has heard
    if (!this.#protocol.rules.rebuildComplete(this.#known, this.#all)) return
    if ("node" in body && body.node >= this.#options.nodes) return this.#refuseMessage(from, body, `there is no node ${body.node}`, out)
    if (body.kind === "PageFrameAsk") return this.#onFrameAsk(from, body, out)
    const page = this.#pageFor(from, body, out)
    if (page === null) return
    if (body.kind === "PageGetS" || body.kind === "PageGetM" || body.kind === "PageOperate") {
      page.users |= bit(body.node)
      page.usedAt = ++this.#requests
    }
    if (body.kind === "PageOperate") keepOperation(page, body)
    if ("txn" in body && body.kind !== "PageUnblock" && this.#noted !== out) {
      // The step has one span, and it is named for the first of many pages that come as one.
      this.#noted = out
      out.push(noteSpan("mem.home", { "backplane.page": body.page, "backplane.state": page.entry.state, "backplane.node": page.home }))
    }
    try {
      this.#hearFlow(body, page, flowOf(body), out)
    } catch (error) {
      if (!(error instanceof ImpossibleMessage) || this.#options.strict === true) throw error
      this.#refuseMessage(from, body, error.message, out)
    }
  }

  #hearFlow(named: { readonly space: string; readonly page: number }, page: DirectoryPage, flow: Flow, out: Out): void {
    const sends = hearHome({ protocol: this.#protocol, epoch: this.#epoch }, page.entry, flow)
    for (const each of sends) this.#say(named, page, each, out)
  }

  /** Number of a place by its actor; -1: it is none of the machine's. */
  nodeOf(from: ActorId): number {
    return this.#places.numberOf(from)
  }

  #refuseMessage(from: ActorId, { kind, space, page }: PageMessage, reason: string, out: Out): void {
    out.push(
      event(
        "page-message-refused",
        { "backplane.kind": kind, "backplane.actor": from, "backplane.space": space, "backplane.page": page, "backplane.reason": reason },
        "warn",
      ),
    )
  }

  #say({ space, page: number }: { readonly space: string; readonly page: number }, page: DirectoryPage, said: HomeSend, out: Out): void {
    const key = spanOf(space, number)
    const moving = this.#moving.has(key)
    if (said.to === "moved") {
      const { serial, from: home } = said.flow
      out.push(send(this.#places.actorAt(page.home), { kind: "PageFrameFree", space, page: number, epoch: this.#epoch, serial }, key))
      this.#onMoved({ space, page: number }, page, home, out)
      return void out.push(closeSpan(key, { "backplane.node": home }))
    }
    const { to, flow } = said
    if ("later" in said) {
      const { node, txn } = said.flow
      if (this.#dones.hold(node, { space, page: number, txn })) this.tellDone(out)
      return
    }
    const operation = flow.kind === "OperateAtHome" ? operationOf(page, flow) : undefined
    const body = pageMessage(flow, { space, page: number, home: page.home, ...(operation !== undefined && { operation }) })
    // What is said for a move belongs to its trace; what is said for a request, to the request's.
    const ofMove = moving && page.entry.transaction?.kind === "Move" && !("txn" in flow && flow.txn > 0)
    out.push(send(this.#places.actorAt(to === "store" ? page.home : to), body, ofMove ? key : undefined))
  }

  /** The frame lies there now; the one that it had is free (taken was the new one when the move began). */
  #onMoved({ space, page: number }: { readonly space: string; readonly page: number }, page: DirectoryPage, home: number, out: Out): void {
    const before = page.home
    this.#frames.take(space, before, -1)
    page.home = home
    page.entry.readersOnly = this.#isStored(page)
    this.#moving.delete(spanOf(space, number))
    const about = { "backplane.space": space, "backplane.page": number }
    if (!this.#isStored(page) && before !== this.#frames.storePlace)
      return void out.push(event("page-migrated", { ...about, "backplane.node": home }))
    const swaps = this.#frames.swapsOf(space)
    if (this.#isStored(page)) {
      swaps.outs += 1
      return void out.push(event("page-stored", { ...about, "backplane.node": before, "backplane.reason": page.stored ?? "swapped" }))
    }
    swaps.ins += 1
    // Written, so it was not worth sharing: the more often, the later again.
    if (page.stored === "shared") page.unshared += 1
    page.stored = null
    out.push(event("page-brought-in", { ...about, "backplane.node": home }))
  }

  /** The page store has a frame that it handed over: if that has arrived, or nobody knows the page, it is free. */
  #onFrameAsk(from: ActorId, { space, page: number, serial }: Extract<PageMessage, { kind: "PageFrameAsk" }>, out: Out): void {
    const page = this.#spaces.get(space)?.get(number)
    if (page !== undefined && (this.#isStored(page) || page.entry.transaction?.kind === "Move")) return
    const free = Math.max(serial + 1, page?.entry.serial ?? 0)
    out.push(send(from, { kind: "PageFrameFree", space, page: number, epoch: this.#epoch, serial: free }))
  }

  /** A page in the store is to be used: its frame goes to a node first, and the request waits for that. Null: it waits for a frame. */
  #bringIn(from: ActorId, body: PageRequest, page: DirectoryPage, out: Out): DirectoryPage | null {
    const isFree = page.entry.transaction === null && page.entry.state !== "D"
    if (!isFree || (page.stored === "shared" && body.kind === "PageGetS")) return page
    const { space, page: number } = body
    const to = this.#options.place({ space, page: number, toucher: body.node })
    if (to === null) return this.#waitForFrame(from, body, out)
    this.#begin({ space, page: number, to }, page, out)
    return page
  }

  #waitForFrame(from: ActorId, body: PageRequest, out: Out): null {
    const { space, page, node } = body
    // Kept before: what `short` begins may free one at once.
    this.#waiting.keep(from, body)
    const reason = this.#options.short?.({ space, page, toucher: node }, out) ?? null
    if (reason === null && this.#options.short !== undefined) return null
    this.#waiting.drop(body)
    const none = `no node that the placement of ${space} allows has a free frame; give the machine more framesPerNode`
    return this.#refuse(body, "no-memory", reason ?? none, out)
  }

  /** Frames may have come free: those who wait are heard again, in their order. */
  retryWaiting(out: Out): void {
    if (!this.#frames.takeFreed()) return
    for (const { from, body } of this.#waiting.takeAll()) this.hear(from, body, out)
  }

  /** Nodes have not been told yet that requests of theirs are over. */
  get owesDone(): boolean {
    return this.#dones.any
  }

  /** Tells them. */
  tellDone(out: Out): void {
    for (const { node, body } of this.#dones.take(this.#epoch)) out.push(send(this.#options.nodeActor(node), body))
  }

  #untouched(space: string, page: number): string {
    return this.#spaces.has(space) ? `nobody has touched page ${page} of ${space}` : `there is no space ${space}; \`memory map\` lists them`
  }

  #refuse({ space, page, epoch, node, txn }: PageRequest, cause: "lost" | "no-memory", reason: string, out: Out): null {
    out.push(
      event(
        "page-refused",
        { "backplane.space": space, "backplane.page": page, "backplane.node": node, "backplane.reason": reason },
        "warn",
      ),
    )
    out.push(send(this.#options.nodeActor(node), { kind: "PageRefused", space, page, epoch, node, txn, cause, reason }))
    return null
  }

  /** The page that a message is about; null: the message was answered, or says nothing. */
  #pageFor(from: ActorId, body: PageMessage, out: Out): DirectoryPage | null {
    const { space, page } = body
    const known = this.#spaces.get(space)?.get(page)
    const isRequest = body.kind === "PageGetS" || body.kind === "PageGetM" || body.kind === "PageOperate"
    if (known !== undefined && known.lost === null)
      return isRequest && this.#isStored(known) ? this.#bringIn(from, body, known, out) : known
    if (!isRequest) {
      if ((body.kind === "PagePut" || body.kind === "PageUnblock") && "node" in body)
        out.push(
          send(this.#options.nodeActor(body.node), { kind: "PageDone", space, page, epoch: this.#epoch, node: body.node, txn: body.txn }),
        )
      return null
    }
    if (known !== undefined) {
      const who = known.lost === this.#frames.storePlace ? "the page store" : `node ${known.lost}`
      return this.#refuse(body, "lost", `${who} died with the only bytes of page ${page} of ${space}`, out)
    }
    const home = this.#options.place({ space, page, toucher: body.node })
    if (home === null) return this.#waitForFrame(from, body, out)
    const fresh = newPage(this.#options.nodes, home)
    this.#frames.take(space, home, 1)
    pagesOf(this.#spaces, space).set(page, fresh)
    return fresh
  }

  /** A node tells what it holds and stores, in parts. */
  onReport(report: PagesReport, out: Out): void {
    const { node, epoch, part, parts } = report
    if (epoch !== this.#epoch || !has(this.#all & ~this.#known, node)) return
    const reported = this.#reports.get(node) ?? new Map<number, PagesReport>()
    reported.set(part, report)
    this.#reports.set(node, reported)
    if (reported.size < parts) return
    this.#known |= bit(node)
    out.push(event("pages-reported", { "backplane.node": node, "backplane.count": countOf([...reported.values()]) }))
    this.#rebuildIfKnown(out)
  }

  /** Nodes that do not answer for too long are dead. */
  giveUp(out: Out): readonly number[] {
    const lost = this.unknown()
    for (const node of lost) {
      this.#gone |= bit(node)
      this.#reports.delete(node)
    }
    this.#known = this.#all
    if (lost.length > 0) this.#rebuildIfKnown(out)
    return lost
  }

  /**
   * A node died. What its survivors hold is asked anew: requests and acknowledgements that had to do with the dead dissolve with the epoch,
   * as they do when the home itself dies, which is what the model checker has searched.
   */
  onNodeGone(node: number, out: Out): void {
    if (node >= this.#options.nodes) return
    this.#gone |= bit(node)
    this.#reports.delete(node)
    if (this.#spaces.size === 0 && this.#known === this.#all) return // nobody has anything
    assert(this.#epoch - this.#options.epoch < DEATHS_MAX, "a life of the home sees so many deaths at most")
    this.#epoch += 1
    if (this.#known === this.#all) this.#before = this.#spaces
    if (this.#before !== null) this.#died |= bit(node)
    for (const key of this.#moving.keys()) out.push(closeSpan(key, {}, "a node died"))
    this.#moving.clear()
    this.#waiting.takeAll() // they ask again
    this.#dones.clear()
    this.#spaces = new Map()
    this.#reports.clear()
    this.#known = this.#gone
    this.ask(out)
    this.#rebuildIfKnown(out)
  }

  #rebuildIfKnown(out: Out): void {
    const { protocol, options } = { protocol: this.#protocol, options: this.#options }
    if (!protocol.rules.rebuildComplete(this.#known, this.#all)) return
    const reports = new Map([...this.#reports].map(([node, parts]) => [node, [...parts.values()]]))
    const { nodes, place } = options
    const died = this.#died
    const before = this.#before
    this.#spaces = rebuildPages(reports, { protocol, nodes, gone: this.#gone, died, before, place })
    this.#reports.clear()
    this.#frames.clear()
    for (const [space, pages] of this.#spaces)
      for (const page of pages.values()) {
        if (page.lost === null) this.#frames.take(space, page.home, 1)
        page.entry.readersOnly = this.#isStored(page)
        page.stored = this.#isStored(page) ? (page.stored ?? "swapped") : null
      }
    this.#before = null
    this.#died = 0
    for (const node of nodesOf(died === 0 ? this.#gone : died)) {
      const hurt = hurtBy(node, this.#spaces)
      this.#hurt.push(...hurt)
      for (const { space, lost } of hurt)
        out.push(event("space-hurt", { "backplane.space": space, "backplane.node": node, "backplane.count": lost }, "warn"))
    }
  }

  /** The space is over: its frames are free. Messages about it that still come find nothing. */
  forget(space: string): void {
    for (const { home, lost } of this.#spaces.get(space)?.values() ?? []) if (lost === null) this.#frames.take(space, home, -1)
    for (const [key, want] of this.#moving) {
      if (want.space !== space) continue
      this.#moving.delete(key)
      this.#frames.take(space, want.to, -1)
    }
    this.#waiting.forget(space)
    this.#spaces.delete(space)
    this.#frames.forget(space)
  }

  hurt(): readonly SpaceHurt[] {
    return this.#hurt
  }

  /** The frame of the page goes to that node; a reason where it cannot. `parent`: whether the step under way is the reason. */
  move(want: { readonly space: string; readonly page: number; readonly to: number }, out: Out): string | null {
    const { space, page: number, to } = want
    const page = this.#spaces.get(space)?.get(number)
    if (this.#known !== this.#all) return "the directory is being rebuilt; ask again"
    if (page === undefined) return this.#untouched(space, number)
    if (page.lost !== null) return `page ${number} of ${space} was lost with node ${page.lost}`
    if (to >= this.#options.nodes || has(this.#gone, to)) return `there is no live node ${to}`
    if (this.#isStored(page)) return `page ${number} of ${space} lies in the page store; it comes in when it is used`
    if (page.home === to) return `the frame of page ${number} of ${space} lies on node ${to} already`
    if (page.entry.transaction !== null || page.entry.state === "D") return `page ${number} of ${space} is busy; ask again`
    page.stored = null
    this.#begin(want, page, out)
    return null
  }

  #begin(want: { readonly space: string; readonly page: number; readonly to: number }, page: DirectoryPage, out: Out): void {
    const { space, page: number, to } = want
    const key = spanOf(space, number)
    this.#moving.set(key, want)
    this.#frames.take(space, to, 1)
    out.push(openSpan(key, "mem.migrate", { "backplane.space": space, "backplane.page": number, "backplane.node": to }))
    this.#hearFlow(want, page, { kind: "Move", epoch: this.#epoch, node: to, txn: 0 }, out)
    // Who waits for it will be served by a node.
    page.entry.readersOnly = false
  }

  /** The frame of the page goes to the page store, if that can begin now. */
  moveOut(want: { readonly space: string; readonly page: number; readonly why: StoredFor }, out: Out): boolean {
    const { space, page: number, why } = want
    const page = this.#spaces.get(space)?.get(number)
    if (page === undefined || !this.canLeave(page) || this.storeRoom <= 0) return false
    page.stored = why
    this.#begin({ space, page: number, to: this.#frames.storePlace }, page, out)
    return true
  }

  /** Is its frame in a node, and nobody being served? */
  canLeave(page: DirectoryPage): boolean {
    return page.lost === null && !this.#isStored(page) && page.entry.transaction === null && page.entry.state !== "D"
  }

  /** Pages that the page store could still take; 0 without one, and while it is taken for dead. */
  get storeRoom(): number {
    const { store } = this.#options
    if (store === undefined || has(this.#gone, this.#frames.storePlace) || this.#known !== this.#all) return 0
    return store.pages - this.#frames.at(this.#frames.storePlace)
  }

  /** Pages of this node that are on their way to the page store. */
  leavingFrom(node: number): number {
    let leaving = 0
    for (const { space, page, to } of this.#moving.values())
      if (to === this.#frames.storePlace && this.#spaces.get(space)?.get(page)?.home === node) leaving += 1
    return leaving
  }

  get isMoving(): boolean {
    return this.#moving.size > 0
  }

  /** Moves under way are driven on: what was lost is said again. */
  repeatMoves(out: Out): void {
    for (const want of this.#moving.values()) {
      const page = this.#spaces.get(want.space)?.get(want.page)
      if (page !== undefined) this.#hearFlow(want, page, { kind: "Move", epoch: this.#epoch, node: want.to, txn: 0 }, out)
    }
  }

  /** These nodes are told to fetch a copy; a reason where they cannot. */
  replicate(
    { space, page: number, on }: { readonly space: string; readonly page: number; readonly on: readonly number[] },
    out: Out,
  ): string | null {
    const page = this.#spaces.get(space)?.get(number)
    if (page === undefined) return this.#untouched(space, number)
    if (page.lost !== null) return `page ${number} of ${space} was lost with node ${page.lost}`
    const dead = on.find((node) => node >= this.#options.nodes || has(this.#gone, node))
    if (dead !== undefined) return `there is no live node ${dead}`
    page.replicas = [...new Set([...page.replicas, ...on])].sort((a, b) => a - b)
    const key = `replicate/${spanOf(space, number)}`
    out.push(openSpan(key, "mem.replicate", { "backplane.space": space, "backplane.page": number }))
    for (const node of on)
      out.push(send(this.#options.nodeActor(node), { kind: "PageBring", space, page: number, epoch: this.#epoch }, key))
    out.push(closeSpan(key))
    return null
  }

  /** Frames that shared pages take. */
  frames(): FrameCounts {
    return this.#frames
  }

  isGone(node: number): boolean {
    return has(this.#gone, node)
  }

  /** For people, placement and checkers. */
  spaces(): ReadonlyMap<string, ReadonlyMap<number, DirectoryPage>> {
    return this.#spaces
  }
}

function spanOf(space: string, page: number): string {
  return `page/${space}/${page}`
}
