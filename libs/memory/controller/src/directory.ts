/**
 * The directory: for every page of every space who may hold it, and where its frame lies. The home's side of memory/coherence.
 *
 * Its state is soft: in a new life (another epoch) it asks all nodes what they hold and store, and serves nobody before it knows (D1). A page
 * that nobody has asked for has no entry; at the first request it gets a frame by the placement of its space (D2).
 * Not here: frames and leases of tasks (frame-ledger.ts); bytes.
 */
import { event, noteSpan, send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import { assert, defined } from "@backplane/foundation-base/assert"
import { bit, has } from "@backplane/memory-coherence/flow"
import { hearHome, newHomeEntry, type HomeEntry, type HomeSend } from "@backplane/memory-coherence/home-entry"
import { flowOf, pageMessage } from "@backplane/memory-coherence/message-flow"
import { rebuiltEntry, type ReportedPage } from "@backplane/memory-coherence/rebuild"
import { PROTOCOL, type Protocol } from "@backplane/memory-coherence/rules"
import type { CoherenceMessage, PageMessage, PageOperation, PagesReport } from "@backplane/memory-contract/coherence-messages"

/** Where effects go. */
interface Out {
  push(...effects: readonly Effect<CoherenceMessage>[]): unknown
}

export interface DirectoryPage {
  readonly entry: HomeEntry
  /** The node where its frame lies. */
  home: number
  /** The operation of the request under way or waiting, by node. */
  readonly operations: Map<number, PageOperation>
  /** Requests by node: what placement goes by. */
  readonly reads: number[]
  readonly writes: number[]
}

export interface DirectoryOptions {
  readonly nodes: number
  /** Life of the home. */
  readonly epoch: number
  readonly nodeActor: (node: number) => ActorId
  /** Where the frame of a page goes that is touched for the first time. */
  readonly place: (page: { readonly space: string; readonly page: number; readonly toucher: number }) => number
  readonly protocol?: Protocol
  /** An earlier life may have known pages: nobody is served before all nodes have told. */
  readonly knowsNothing: boolean
}

/** Requests that come before the directory is known are not kept: the requester asks again. */
interface Reported {
  readonly parts: Map<number, PagesReport>
}

export class Directory {
  readonly #options: DirectoryOptions
  readonly #protocol: Protocol
  /** By space, then by page. */
  readonly #spaces = new Map<string, Map<number, DirectoryPage>>()
  readonly #reports = new Map<number, Reported>()
  #known: number
  readonly #all: number
  /** By node: the life that it last reported in. */
  readonly #lives = new Map<number, number>()

  constructor(options: DirectoryOptions) {
    this.#options = options
    this.#protocol = options.protocol ?? PROTOCOL
    this.#all = 2 ** options.nodes - 1
    this.#known = options.knowsNothing ? 0 : this.#all
  }

  /** Nodes that have not told yet what they hold. */
  unknown(): readonly number[] {
    return Array.from({ length: this.#options.nodes }, (_, node) => node).filter((node) => !has(this.#known, node))
  }

  /** Asks them (again). */
  ask(out: Out): void {
    for (const node of this.unknown()) out.push(send(this.#options.nodeActor(node), { kind: "PagesAsk", epoch: this.#options.epoch }))
  }

  hear(from: ActorId, body: PageMessage, out: Out): void {
    if (body.epoch !== this.#options.epoch) return void out.push(send(from, { kind: "PagesAsk", epoch: this.#options.epoch }))
    if (!this.#protocol.rules.rebuildComplete(this.#known, this.#all)) return
    const page = this.#page(body)
    if (body.kind === "PageOperate") page.operations.set(body.node, body.operation)
    if (body.kind === "PageGetS") page.reads[body.node] = (page.reads[body.node] ?? 0) + 1
    if (body.kind === "PageGetM" || body.kind === "PageOperate") page.writes[body.node] = (page.writes[body.node] ?? 0) + 1
    if ("txn" in body && body.kind !== "PageUnblock")
      out.push(noteSpan("mem.home", { "backplane.page": body.page, "backplane.state": page.entry.state, "backplane.node": page.home }))
    const sends = hearHome({ protocol: this.#protocol, epoch: this.#options.epoch }, page.entry, flowOf(body))
    for (const each of sends) this.#say(body, page, each, out)
  }

  #say({ space, page: number }: PageMessage, page: DirectoryPage, { to, flow }: HomeSend, out: Out): void {
    const operation = flow.kind === "OperateAtHome" ? defined(page.operations.get(flow.node), "an operation was asked for") : undefined
    const body = pageMessage(flow, { space, page: number, home: page.home, ...(operation !== undefined && { operation }) })
    out.push(send(this.#options.nodeActor(to === "store" ? page.home : to), body))
  }

  #page({ space, page, ...body }: PageMessage): DirectoryPage {
    const pages = this.#pagesOf(space)
    const known = pages.get(page)
    if (known !== undefined) return known
    const toucher = "node" in body ? body.node : body.from
    const fresh = this.#newPage(this.#options.place({ space, page, toucher }), newHomeEntry(this.#options.nodes))
    pages.set(page, fresh)
    return fresh
  }

  #newPage(home: number, entry: HomeEntry): DirectoryPage {
    const none = (): number[] => new Array<number>(this.#options.nodes).fill(0)
    return { entry, home, operations: new Map(), reads: none(), writes: none() }
  }

  #pagesOf(space: string): Map<number, DirectoryPage> {
    const known = this.#spaces.get(space)
    if (known !== undefined) return known
    const pages = new Map<number, DirectoryPage>()
    this.#spaces.set(space, pages)
    return pages
  }

  /** A node tells what it holds and stores, in parts. */
  onReport(report: PagesReport, out: Out): void {
    const { node, epoch, part, parts } = report
    if (epoch !== this.#options.epoch || node >= this.#options.nodes || has(this.#known, node)) return
    const reported = this.#reports.get(node) ?? { parts: new Map<number, PagesReport>() }
    reported.parts.set(part, report)
    this.#reports.set(node, reported)
    if (reported.parts.size < parts) return
    this.#known |= bit(node)
    out.push(event("pages-reported", { "backplane.node": node, "backplane.count": countOf(reported) }))
    if (this.#protocol.rules.rebuildComplete(this.#known, this.#all)) this.#rebuild()
  }

  /** A node that does not answer for too long holds nothing any more. */
  giveUp(): readonly number[] {
    const lost = this.unknown()
    if (lost.length === 0) return lost
    this.#known = this.#all
    this.#rebuild()
    return lost
  }

  #rebuild(): void {
    interface Found {
      readonly held: ReportedPage[]
      stored: number
      home: number
    }
    const found = new Map<string, Map<number, Found>>()
    const at = (space: string, page: number): Found => {
      const pages = found.get(space) ?? new Map<number, Found>()
      found.set(space, pages)
      const known = pages.get(page) ?? { held: [], stored: 0, home: -1 }
      pages.set(page, known)
      return known
    }
    for (const [node, { parts }] of [...this.#reports].sort(([a], [b]) => a - b))
      for (const { spaces } of parts.values())
        for (const { space, held, stored } of spaces) {
          for (let index = 0; index + 3 < held.length; index += 4) {
            const [page, holds, version, serial] = held.slice(index, index + 4) as [number, number, number, number]
            at(space, page).held.push({ node, holds: HOLDS[holds] ?? "retained", version, serial })
          }
          for (let index = 0; index + 1 < stored.length; index += 2) {
            const [page, version] = stored.slice(index, index + 2) as [number, number]
            Object.assign(at(space, page), { stored: version, home: node })
          }
        }
    for (const [space, pages] of found)
      for (const [page, { held, stored, home }] of pages) {
        const entry = rebuiltEntry(this.#protocol, { nodes: this.#options.nodes, stored, held })
        // A page that was brought before its frame was ever asked for has none yet: it is where it would be placed now.
        const toucher = held[0]?.node ?? 0
        this.#pagesOf(space).set(page, this.#newPage(home >= 0 ? home : this.#options.place({ space, page, toucher }), entry))
      }
    this.#reports.clear()
  }

  /** For people, placement and checkers. */
  spaces(): ReadonlyMap<string, ReadonlyMap<number, DirectoryPage>> {
    return this.#spaces
  }

  /** The life in which a node reports; true if it is a new one: what its earlier life held is gone. */
  noteLife(node: number, incarnation: number): boolean {
    const known = this.#lives.get(node)
    this.#lives.set(node, Math.max(known ?? 0, incarnation))
    assert(incarnation >= 1, "lives count from 1")
    return known !== undefined && incarnation > known
  }
}

const HOLDS = ["owner", "shared", "retained"] as const

function countOf({ parts }: Reported): number {
  return [...parts.values()].reduce(
    (sum, { spaces }) => sum + spaces.reduce((all, { held, stored }) => all + held.length / 4 + stored.length / 2, 0),
    0,
  )
}
