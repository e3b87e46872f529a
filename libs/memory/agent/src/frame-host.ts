/**
 * The frames of one space that lie at one place (a node, or the page store): serves them, takes newer bytes, hands them over.
 *
 * What each message means for a frame is the protocol's (memory/coherence, frame-store.ts); here are the bytes, the operations that are done
 * in them, and what is answered. Not here: the rights of CPUs, who is told.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import { absentFrameStore, hearStore, type FrameStore } from "@backplane/memory-coherence/frame-store"
import type { Flow } from "@backplane/memory-coherence/flow"
import { ImpossibleMessage } from "@backplane/memory-coherence/impossible"
import { pageMessage } from "@backplane/memory-coherence/message-flow"
import type { Protocol } from "@backplane/memory-coherence/rules"
import type { PageBytes, PageMessage, PageOperation } from "@backplane/memory-contract/coherence-messages"
import type { PageText } from "./agent-options.ts"
import { operateOn } from "./operation.ts"
import { PageRoom } from "./page-room.ts"

/** In place of bytes that do not travel: frame and copy at one node are the same. */
export const OWN_FRAME = ""

const PAGE_BYTES = 4096

/** A page as it came; throws `ImpossibleMessage` where it is none. */
export function bytesOf(bytes: PageBytes, text: PageText): Uint8Array {
  const page = typeof bytes === "string" ? text.decode(bytes) : bytes
  if (page.length !== PAGE_BYTES) throw new ImpossibleMessage(`a page has ${PAGE_BYTES} bytes, not ${page.length}`)
  return page
}

export interface FrameHostOptions {
  readonly space: string
  /** Number of this place. */
  readonly place: number
  /** How many nodes the machine has: operations of each are remembered. */
  readonly nodes: number
  readonly protocol: Protocol
  readonly text: PageText
  read(page: number, into?: Uint8Array): Uint8Array
  write(page: number, bytes: Uint8Array): void
  /** An operation was done in a frame here for that node, and found this. */
  onOperated?(page: number, operated: { readonly operation: PageOperation; readonly node: number; readonly found: bigint }): void
}

export interface FrameAnswer {
  readonly to: "home" | number
  readonly body: PageMessage
}

export class FrameHost {
  readonly #options: FrameHostOptions
  readonly #stores = new Map<number, FrameStore>()
  /** Frames here whose page another owns, or that were handed over. */
  readonly #lent = new Set<number>()
  /** What operations found: the frame store keeps a number, this the value. */
  readonly #results: bigint[] = [0n]
  /** While many pages are asked for at once. */
  #room: PageRoom | null = null

  constructor(options: FrameHostOptions) {
    this.#options = options
  }

  /** Is a message for the frame, and not for the copy of a node? */
  static isFor({ kind }: Flow): boolean {
    return (
      kind === "Fetch" ||
      kind === "WriteBack" ||
      kind === "OperateAtHome" ||
      kind === "HandOver" ||
      kind === "Frame" ||
      kind === "FrameFree"
    )
  }

  /** So many messages are heard now that came as one: their pages go out together. */
  together(messages: number, hearAll: () => void): void {
    this.#room = new PageRoom(messages)
    try {
      hearAll()
    } finally {
      this.#room = null
    }
  }

  hear(body: PageMessage, flow: Flow, epoch: number): readonly FrameAnswer[] {
    const { page } = body
    const { space, place, protocol } = this.#options
    const store = this.#store(page)
    if (flow.kind === "Fetch" && flow.epoch === epoch && flow.want !== "S" && flow.node !== place) this.#lent.add(page)
    if (flow.kind === "HandOver" && flow.epoch === epoch) this.#lent.add(page)
    if (body.kind === "PageFrame") noteFound(flow, body, (value) => this.#results.push(value) - 1)
    const answers: FrameAnswer[] = []
    for (const effect of hearStore({ protocol, epoch, value: 0, operate: () => this.#operate(page, body) }, store, flow)) {
      if (effect.kind === "take") {
        assert(body.kind === "PageWriteBack" || body.kind === "PageFrame", "bytes come with a write-back or a frame")
        if (body.bytes !== OWN_FRAME) this.#options.write(page, bytesOf(body.bytes, this.#options.text))
        this.#lent.delete(page)
        continue
      }
      const answer = pageMessage(effect.flow, {
        space,
        page,
        home: place,
        bytes: effect.bytes ? this.#bytesFor(effect.to, page) : undefined,
        result: effect.flow.kind === "Result" ? this.#resultText(effect.flow.value) : undefined,
        found: effect.flow.kind === "Frame" ? effect.flow.operations.map(({ result }) => this.#resultText(result)) : undefined,
      })
      answers.push({ to: effect.to, body: answer })
    }
    if (store.dropped) this.#lent.delete(page)
    return answers
  }

  #bytesFor(to: "home" | number, page: number): PageBytes {
    return to === this.#options.place ? OWN_FRAME : this.#options.text.encode(this.#options.read(page, this.#room?.next()))
  }

  #operate(page: number, body: PageMessage): number {
    assert(body.kind === "PageOperateAtHome", "an operation is done when it is asked for")
    const bytes = this.#options.read(page).slice()
    const found = operateOn(bytes, body.operation)
    this.#options.write(page, bytes)
    this.#results.push(found)
    this.#options.onOperated?.(page, { operation: body.operation, node: body.node, found })
    return this.#results.length - 1
  }

  /** Frame and copy are the same bytes here: what the copy has seen, the frame has. */
  keepFresh(page: number, version: number): void {
    const store = this.#stores.get(page)
    if (store?.dropped === false && version > store.version) store.version = version
  }

  /** Version of the frame, null where none ever lay here. */
  versionOf(page: number): number | null {
    return this.#stores.get(page)?.version ?? null
  }

  /** Does the frame of the page lie here? */
  has(page: number): boolean {
    return this.#stores.get(page)?.dropped === false
  }

  drop(page: number): void {
    this.#stores.delete(page)
    this.#lent.delete(page)
  }

  /** Pages whose frames lie here, ascending. */
  pages(): readonly number[] {
    return [...this.#stores].flatMap(([page, { dropped }]) => (dropped ? [] : [page])).sort((a, b) => a - b)
  }

  /** For a home in a new life: page, version, serial since when, 1 while another owns it; and so on. */
  report(isAsked: (page: number) => boolean): number[] {
    return this.pages().flatMap((page) => {
      const { version, since } = this.#store(page)
      return isAsked(page) ? [page, version, since, this.#lent.has(page) ? 1 : 0] : []
    })
  }

  /** What must outlive the process, as JSON; null: the frame does not lie here. */
  record(page: number): FrameRecord | null {
    const store = this.#stores.get(page)
    if (store === undefined || store.dropped) return null
    const { version, since, operations } = store
    return {
      version,
      since,
      lent: this.#lent.has(page),
      operations: operations.map(({ txn, result }) => [txn, this.#resultText(result)]),
    }
  }

  restore(page: number, { version, since, lent, operations }: FrameRecord): void {
    const kept = operations.map(([txn, found]) => ({ txn, result: txn === 0 ? 0 : this.#results.push(BigInt(found)) - 1 }))
    this.#stores.set(page, { version, since, dropped: false, operations: kept })
    if (lent) this.#lent.add(page)
  }

  #store(page: number): FrameStore {
    const known = this.#stores.get(page)
    if (known !== undefined) return known
    const store = absentFrameStore(this.#options.nodes)
    this.#stores.set(page, store)
    return store
  }

  #resultText(index: number): string {
    return `0x${defined(this.#results[index], "a result is kept").toString(16)}`
  }
}

export interface FrameRecord {
  readonly version: number
  readonly since: number
  readonly lent: boolean
  /** By node: number of the last operation that was done for it, and what it found. */
  readonly operations: readonly (readonly [number, string])[]
}

/** What the operations found in the frame that comes, kept here under numbers as its own would be. */
function noteFound(flow: Flow, { operations }: Extract<PageMessage, { kind: "PageFrame" }>, keep: (value: bigint) => number): void {
  assert(flow.kind === "Frame", "a frame comes as a frame")
  Object.assign(flow, { operations: operations.map(({ txn, value }) => ({ txn, result: txn === 0 ? 0 : keep(BigInt(value)) })) })
}
