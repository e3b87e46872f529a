/**
 * The directory: for every page of every space who may hold it, and where its frame lies. The home's side of memory/coherence.
 *
 * Its state is soft: in a new life (another epoch) it asks all nodes what they hold and store, and serves nobody before it knows (D1). A page
 * that nobody has asked for has no entry; at the first request it gets a frame by the placement of its space (D2). The death of a node begins
 * a new epoch too: what was under way with the dead dissolves in it, and what had its only bytes there is lost and named (D3).
 * Not here: frames and leases of tasks (frame-ledger.ts); what moves when (page-policy.ts); bytes.
 */
import { closeSpan, event, noteSpan, openSpan, send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import { assert, defined } from "@backplane/foundation-base/assert"
import { bit, has, nodesOf, type Flow } from "@backplane/memory-coherence/flow"
import { hearHome, type HomeSend } from "@backplane/memory-coherence/home-entry"
import { ImpossibleMessage } from "@backplane/memory-coherence/impossible"
import { flowOf, pageMessage } from "@backplane/memory-coherence/message-flow"
import { PROTOCOL, type Protocol } from "@backplane/memory-coherence/rules"
import type { CoherenceMessage, PageMessage, PagesReport } from "@backplane/memory-contract/coherence-messages"
import { newPage, pagesOf, type DirectoryPage, type Spaces } from "./directory-page.ts"
import { countOf, rebuildPages } from "./rebuild-pages.ts"

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
  /** An earlier life may have known pages: nobody is served before all nodes have told. */
  readonly knowsNothing: boolean
  /** A message that no correct run shows ends the run instead of being refused: for tests of the protocol. */
  readonly strict?: boolean
}

/** Epochs of one life of the home: the first, and one more for each death of a node. */
export const DEATHS_MAX = 1023

export interface SpaceHurt {
  readonly space: string
  readonly node: number
  /** Pages whose only bytes were there. */
  readonly lost: number
}

export class Directory {
  readonly #options: DirectoryOptions
  readonly #protocol: Protocol
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
  readonly #frames: number[]
  /** Pages on their way to another frame: asked again until they are there. */
  readonly #moving = new Map<string, { readonly space: string; readonly page: number; readonly to: number }>()

  constructor(options: DirectoryOptions) {
    this.#options = options
    this.#protocol = options.protocol ?? PROTOCOL
    this.#all = 2 ** options.nodes - 1
    this.#epoch = options.epoch
    this.#frames = new Array<number>(options.nodes).fill(0)
    this.#known = options.knowsNothing ? 0 : this.#all
  }

  get epoch(): number {
    return this.#epoch
  }

  /** Nodes that have not told yet what they hold. */
  unknown(): readonly number[] {
    return Array.from({ length: this.#options.nodes }, (_, node) => node).filter((node) => !has(this.#known, node))
  }

  /** Asks them (again). */
  ask(out: Out): void {
    for (const node of this.unknown()) out.push(send(this.#options.nodeActor(node), this.#pagesAsk()))
  }

  #pagesAsk(): CoherenceMessage {
    return { kind: "PagesAsk", epoch: this.#epoch, gone: this.#gone }
  }

  hear(from: ActorId, body: PageMessage, out: Out): void {
    const node = this.#nodeOf(from)
    if (node < 0) return this.#refuseMessage(from, body, "its sender is no node of the machine", out)
    if (body.epoch !== this.#epoch) {
      return void out.push(send(from, has(this.#gone, node) ? { kind: "PagesGone", epoch: this.#epoch } : this.#pagesAsk()))
    }
    this.#gone &= ~bit(node) // it has heard
    if (!this.#protocol.rules.rebuildComplete(this.#known, this.#all)) return
    if ("node" in body && body.node >= this.#options.nodes) return this.#refuseMessage(from, body, `there is no node ${body.node}`, out)
    const page = this.#pageFor(body, out)
    if (page === null) return
    if (body.kind === "PageGetS" || body.kind === "PageGetM" || body.kind === "PageOperate") page.users |= bit(body.node)
    if (body.kind === "PageOperate") page.operations.set(body.node, body.operation)
    if ("txn" in body && body.kind !== "PageUnblock")
      out.push(noteSpan("mem.home", { "backplane.page": body.page, "backplane.state": page.entry.state, "backplane.node": page.home }))
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

  #nodeOf(from: ActorId): number {
    for (let node = 0; node < this.#options.nodes; node++) if (this.#options.nodeActor(node) === from) return node
    return -1
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
      out.push(send(this.#options.nodeActor(page.home), { kind: "PageFrameFree", space, page: number, epoch: this.#epoch, serial }, key))
      this.#takeFrame(page.home, -1)
      this.#takeFrame(home, 1)
      page.home = home
      this.#moving.delete(key)
      out.push(event("page-migrated", { "backplane.space": space, "backplane.page": number, "backplane.node": home }))
      return void out.push(closeSpan(key, { "backplane.node": home }))
    }
    const { to, flow } = said
    const operation = flow.kind === "OperateAtHome" ? defined(page.operations.get(flow.node), "an operation was asked for") : undefined
    const body = pageMessage(flow, { space, page: number, home: page.home, ...(operation !== undefined && { operation }) })
    // What is said for a move belongs to its trace; what is said for a request, to the request's.
    const ofMove = moving && page.entry.transaction?.kind === "Move" && !("txn" in flow && flow.txn > 0)
    out.push(send(this.#options.nodeActor(to === "store" ? page.home : to), body, ofMove ? key : undefined))
  }

  /** The page that a message is about; null: the message was answered, or says nothing. */
  #pageFor(body: PageMessage, out: Out): DirectoryPage | null {
    const { space, page } = body
    const known = this.#spaces.get(space)?.get(page)
    const isRequest = body.kind === "PageGetS" || body.kind === "PageGetM" || body.kind === "PageOperate"
    if (known !== undefined && known.lost === null) return known
    if (!isRequest) {
      if ((body.kind === "PagePut" || body.kind === "PageUnblock") && "node" in body)
        out.push(
          send(this.#options.nodeActor(body.node), { kind: "PageDone", space, page, epoch: this.#epoch, node: body.node, txn: body.txn }),
        )
      return null
    }
    const refuse = (cause: "lost" | "no-memory", reason: string): null => {
      const { epoch, node, txn } = body
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
    if (known !== undefined) return refuse("lost", `node ${known.lost} died with the only bytes of page ${page} of ${space}`)
    const home = this.#options.place({ space, page, toucher: body.node })
    if (home === null)
      return refuse("no-memory", `no node that the placement of ${space} allows has a free frame; give the machine more framesPerNode`)
    const fresh = newPage(this.#options.nodes, home)
    this.#takeFrame(home, 1)
    pagesOf(this.#spaces, space).set(page, fresh)
    return fresh
  }

  /** A node tells what it holds and stores, in parts. */
  onReport(report: PagesReport, out: Out): void {
    const { node, epoch, part, parts } = report
    if (epoch !== this.#epoch || node >= this.#options.nodes || has(this.#known, node)) return
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
    this.#frames.fill(0)
    for (const pages of this.#spaces.values()) for (const { home, lost } of pages.values()) if (lost === null) this.#takeFrame(home, 1)
    this.#before = null
    this.#died = 0
    for (const node of nodesOf(died === 0 ? this.#gone : died)) this.#nameHurt(node, out)
  }

  /** Who had state at the dead node: it ran there, or pages had their only bytes there. */
  #nameHurt(node: number, out: Out): void {
    for (const [space, pages] of this.#spaces) {
      const lost = [...pages.values()].filter((page) => page.lost === node).length
      const ranThere = [...pages.values()].some(({ users }) => has(users, node))
      if (lost === 0 && !ranThere) continue
      this.#hurt.push({ space, node, lost })
      out.push(event("space-hurt", { "backplane.space": space, "backplane.node": node, "backplane.count": lost }, "warn"))
    }
  }

  /** The space is over: its frames are free. Messages about it that still come find nothing. */
  forget(space: string): void {
    for (const { home, lost } of this.#spaces.get(space)?.values() ?? []) if (lost === null) this.#takeFrame(home, -1)
    this.#spaces.delete(space)
    for (const [key, want] of this.#moving) if (want.space === space) this.#moving.delete(key)
  }

  hurt(): readonly SpaceHurt[] {
    return this.#hurt
  }

  /** The frame of the page goes to that node; a reason where it cannot. `parent`: whether the step under way is the reason. */
  move(want: { readonly space: string; readonly page: number; readonly to: number }, out: Out): string | null {
    const { space, page: number, to } = want
    const page = this.#spaces.get(space)?.get(number)
    if (this.#known !== this.#all) return "the directory is being rebuilt; ask again"
    if (page === undefined) return `nobody has touched page ${number} of ${space}`
    if (page.lost !== null) return `page ${number} of ${space} was lost with node ${page.lost}`
    if (to >= this.#options.nodes || has(this.#gone, to)) return `there is no live node ${to}`
    if (page.home === to) return `the frame of page ${number} of ${space} lies on node ${to} already`
    if (page.entry.transaction !== null || page.entry.state === "D") return `page ${number} of ${space} is busy; ask again`
    const key = spanOf(space, number)
    this.#moving.set(key, want)
    out.push(openSpan(key, "mem.migrate", { "backplane.space": space, "backplane.page": number, "backplane.node": to }))
    this.#hearFlow(want, page, { kind: "Move", epoch: this.#epoch, node: to, txn: 0 }, out)
    return null
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
    if (page === undefined) return `nobody has touched page ${number} of ${space}`
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

  /** Frames that shared pages take on each node. */
  frames(): readonly number[] {
    return this.#frames
  }

  #takeFrame(node: number, count: 1 | -1): void {
    this.#frames[node] = (this.#frames[node] ?? 0) + count
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
