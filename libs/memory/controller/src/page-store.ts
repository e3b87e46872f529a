/**
 * The page store machine: frames of pages that have none in a node, kept on a device that outlives the process. Swap, pages that are equal to
 * others, pages that a guest gave back; why one is here is the directory's business.
 *
 * To the protocol it is a place where frames lie, as a node is one, whose number is one more than the last node's; it never holds a copy. So a
 * page goes out and comes in as any frame moves (memory/coherence), which the model checker has searched. Everything that it acknowledges is on
 * the device before: killed and started again, it answers as before (S1). A frame that it handed over is kept until the home says that it has
 * arrived; where that was lost it asks (S2). What it keeps of a space ends when the space does (S3).
 */
import { send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { assert } from "@backplane/foundation-base/assert"
import { decodeBase64, encodeBase64 } from "@backplane/foundation-base/base64"
import type { PageText } from "@backplane/memory-agent/agent-options"
import { FrameHost, type FrameHostOptions, type FrameRecord } from "@backplane/memory-agent/frame-host"
import { pagesReports } from "@backplane/memory-agent/page-reports"
import { flowOf } from "@backplane/memory-coherence/message-flow"
import { PROTOCOL } from "@backplane/memory-coherence/rules"
import type { PageMessage, PagesAsk, PagesGone, PagesReport, PagesStored } from "@backplane/memory-contract/coherence-messages"
import type { SpaceAnswer, SpaceClose } from "@backplane/memory-contract/memory-operator-messages"
import { ContentSlots } from "./content-slots.ts"
import { RECORD_BYTES, type PageDevice } from "./page-device.ts"

export type PageStoreHears = PageMessage | PagesAsk | PagesGone | SpaceClose
export type PageStoreSays = PageMessage | PagesReport | PagesStored | SpaceAnswer
type Out = Effect<PageStoreSays>[]

export interface PageStoreOptions {
  /** Its number as a place: how many nodes there are. */
  readonly nodes: number
  readonly home: ActorId
  readonly nodeActor: (node: number) => ActorId
  readonly device: PageDevice
  /** What was handed over is asked after, and how much there is is told, after so many cycles. */
  readonly retryCycles: number
  readonly text?: PageText
  /** An operation was done in a frame here for that node, and found this: for checkers. */
  readonly onOperated?: FrameHostOptions["onOperated"]
}

interface Kept {
  readonly index: number
  readonly slot: number
  readonly text: string
}

interface StoredRecord extends FrameRecord {
  readonly space: string
  readonly page: number
  readonly slot: number
}

const EPOCH_RECORD = 0
const TIMER = "stored"

export class PageStoreMachine implements Machine<PageStoreHears, PageStoreSays> {
  readonly #options: PageStoreOptions
  readonly #slots: ContentSlots
  readonly #spaces = new Map<string, FrameHost>()
  /** By space and page: its slot and its record on the device. */
  readonly #kept = new Map<string, Map<number, Kept>>()
  readonly #freeRecords: number[] = []
  #records = EPOCH_RECORD + 1
  /** Life of the home. */
  #epoch: number
  /** Frames that were handed over and that the home has not taken off yet. */
  readonly #handedOver = new Map<string, { readonly space: string; readonly page: number }>()
  /** Slots whose page has another now; given back when its record says so. */
  readonly #replaced: number[] = []
  #told = ""
  #timerSet = false

  constructor(options: PageStoreOptions) {
    this.#options = options
    this.#slots = new ContentSlots(options.device)
    this.#epoch = 1
    this.#restore()
  }

  start(now: VirtualTime): readonly Effect<PageStoreSays>[] {
    const out: Out = []
    this.#setTimer(now, out)
    return out
  }

  step(now: VirtualTime, input: Input<PageStoreHears>): readonly Effect<PageStoreSays>[] {
    const out: Out = []
    if (input.kind === "message") this.#onMessage(input.from, input.body, out)
    else if (input.kind === "timer") this.#onTimer(out)
    this.#setTimer(now, out)
    return out
  }

  /** For people and checkers: pages that lie here, and slots that they take. */
  inspect(): { readonly pages: number; readonly slots: number; readonly handedOver: number } {
    return { ...this.#stored(), handedOver: this.#handedOver.size }
  }

  /** For checkers: the bytes of a page that lies here. */
  bytesOf(space: string, page: number): Uint8Array | null {
    const kept = this.#kept.get(space)?.get(page)
    return kept === undefined ? null : this.#slots.read(kept.slot)
  }

  versionOf(space: string, page: number): number | null {
    return this.#spaces.get(space)?.versionOf(page) ?? null
  }

  #onMessage(from: ActorId, body: PageStoreHears, out: Out): void {
    switch (body.kind) {
      case "PagesAsk":
        return this.#onAsk(from, body, out)
      case "PagesGone":
        if (body.epoch <= this.#epoch) return
        for (const space of [...this.#spaces.keys()]) this.#forget(space)
        return this.#setEpoch(body.epoch)
      case "SpaceClose": {
        this.#forget(body.space)
        const { request, space } = body
        return void out.push(
          send(from, { kind: "SpaceAnswer", request, space, node: this.#options.nodes, answer: "done", reason: "", harts: [] }),
        )
      }
      default:
        return this.#onPage(body, out)
    }
  }

  #onAsk(from: ActorId, { epoch }: PagesAsk, out: Out): void {
    if (epoch < this.#epoch) return
    this.#setEpoch(epoch)
    const spaces = [...this.#spaces].map(([space, frames]) => ({ space, held: [], stored: frames.report(() => true) }))
    for (const report of pagesReports(this.#options.nodes, epoch, spaces)) out.push(send(from, report))
    this.#told = ""
  }

  #setEpoch(epoch: number): void {
    if (epoch === this.#epoch) return
    this.#epoch = epoch
    this.#options.device.writeRecord(EPOCH_RECORD, JSON.stringify({ epoch }))
  }

  #onPage(body: PageMessage, out: Out): void {
    const flow = flowOf(body)
    if (!FrameHost.isFor(flow) || body.epoch !== this.#epoch) return
    const { space, page } = body
    const frames = this.#framesOf(space)
    // The home counts the room; what finds none (something that was handed over is still here) is not taken, and is said again.
    const isHere = body.kind === "PageFrame" && frames.record(page)?.since === body.serial
    const takesSlot = body.kind === "PageFrame" || body.kind === "PageWriteBack" || body.kind === "PageOperateAtHome"
    if (takesSlot && !isHere && this.#slots.used >= this.#options.device.slots) return
    const answers = frames.hear(body, flow, this.#epoch)
    this.#keep(space, page)
    for (const slot of this.#replaced.splice(0)) this.#slots.release(slot)
    const key = `${space}/${page}`
    if (!frames.has(page)) this.#handedOver.delete(key)
    else if (body.kind === "PageHandOver") this.#handedOver.set(key, { space, page })
    else if (body.kind === "PageFrame") this.#handedOver.delete(key)
    const { home, nodeActor } = this.#options
    for (const { to, body: answer } of answers) out.push(send(to === "home" ? home : nodeActor(to), answer))
  }

  #framesOf(space: string): FrameHost {
    const known = this.#spaces.get(space)
    if (known !== undefined) return known
    const { nodes, onOperated, text = { encode: encodeBase64, decode: decodeBase64 } } = this.#options
    const frames = new FrameHost({
      space,
      place: nodes,
      nodes,
      protocol: PROTOCOL,
      text,
      read: (page) => this.#slots.read(this.#keptOf(space, page).slot),
      write: (page, bytes) => {
        this.#put(space, page, bytes)
      },
      ...(onOperated !== undefined && { onOperated }),
    })
    this.#spaces.set(space, frames)
    return frames
  }

  #keptOf(space: string, page: number): Kept {
    const kept = this.#kept.get(space)?.get(page)
    assert(kept !== undefined, "a frame that lies here has bytes")
    return kept
  }

  /** Other bytes, another slot. Record and former slot follow when the whole message has been heard (`#keep`). */
  #put(space: string, page: number, bytes: Uint8Array): void {
    const slot = this.#slots.put(bytes)
    assert(slot !== null, "a message that needs a slot is heard when there is one")
    const pages = this.#kept.get(space) ?? new Map<number, Kept>()
    this.#kept.set(space, pages)
    const before = pages.get(page)
    if (before !== undefined) this.#replaced.push(before.slot)
    pages.set(page, { index: before?.index ?? this.#freeRecords.pop() ?? this.#records++, slot, text: "" })
  }

  /** The record says what is so, in one write, before anybody is told: bytes and the operations that were done in them together. */
  #keep(space: string, page: number): void {
    const kept = this.#kept.get(space)?.get(page)
    if (kept === undefined) return
    const record = this.#spaces.get(space)?.record(page) ?? null
    if (record === null) return this.#drop(space, page, kept)
    const text = JSON.stringify({ space, page, slot: kept.slot, ...record } satisfies StoredRecord)
    if (text === kept.text) return
    assert(text.length <= RECORD_BYTES, "a record has room for the operations of all nodes")
    this.#options.device.writeRecord(kept.index, text)
    this.#kept.get(space)?.set(page, { ...kept, text })
  }

  #drop(space: string, page: number, { index, slot }: Kept): void {
    this.#options.device.writeRecord(index, "")
    this.#freeRecords.push(index)
    this.#slots.release(slot)
    this.#kept.get(space)?.delete(page)
    this.#handedOver.delete(`${space}/${page}`)
  }

  #forget(space: string): void {
    for (const [page, kept] of [...(this.#kept.get(space) ?? [])]) this.#drop(space, page, kept)
    this.#kept.delete(space)
    this.#spaces.delete(space)
  }

  #restore(): void {
    for (const [index, text] of this.#options.device.records()) {
      if (index === EPOCH_RECORD) {
        this.#epoch = (JSON.parse(text) as { readonly epoch: number }).epoch
        continue
      }
      const { space, page, slot, ...record } = JSON.parse(text) as StoredRecord
      this.#slots.hold(slot)
      this.#framesOf(space).restore(page, record)
      const pages = this.#kept.get(space) ?? new Map<number, Kept>()
      this.#kept.set(space, pages)
      pages.set(page, { index, slot, text })
      this.#records = Math.max(this.#records, index + 1)
      if (record.lent) this.#handedOver.set(`${space}/${page}`, { space, page })
    }
  }

  #stored(): { readonly pages: number; readonly slots: number } {
    return { pages: [...this.#kept.values()].reduce((sum, { size }) => sum + size, 0), slots: this.#slots.used }
  }

  #onTimer(out: Out): void {
    this.#timerSet = false
    const { home, nodes, device } = this.#options
    for (const { space, page } of this.#handedOver.values()) {
      const serial = this.#spaces.get(space)?.record(page)?.since ?? 0
      out.push(send(home, { kind: "PageFrameAsk", space, page, epoch: this.#epoch, serial }))
    }
    const stored = this.#stored()
    this.#told = JSON.stringify(stored)
    out.push(send(home, { kind: "PagesStored", node: nodes, epoch: this.#epoch, ...stored, slotsMax: device.slots }))
  }

  #setTimer(now: VirtualTime, out: Out): void {
    if (this.#timerSet || (this.#handedOver.size === 0 && JSON.stringify(this.#stored()) === this.#told)) return
    this.#timerSet = true
    out.push(timer(TIMER, after(now, this.#options.retryCycles)))
  }
}
