/**
 * A bus whose busy pairs of actors talk over sockets of their own, beside another bus that carries everything else.
 *
 * Goal: a message between two processes costs one hop instead of two, and what a peer has sent meanwhile is handled together. The other bus
 * stays the way in which actors find and trust each other, and the way out when a link breaks: it decides who may speak in whose name
 * (link-protocol.ts), and carries every message while there is no link. Actors notice nothing.
 *
 * Procedure: the first message to a peer offers a link. When it is up, each side says `LinkSwitch` as its last word over the bus; the other
 * keeps what comes over the link until it has heard that, so that order is kept. A side that speaks over the bus again has lost the link: it
 * is dropped, with what was not read of it. What arrives while the event loop polls is delivered in one turn behind it: many peers, one step.
 *
 * Invariants (beside those of every bus, see suite/bus-suite.ts):
 * L1 The order of one sender to one receiver is kept over switches in both directions; what is lost is lost, nothing comes twice.
 * L2 At most `PEERS_MAX` pairs; what waits for a switch, or for a peer that does not read, is bounded.
 */
import { randomBytes } from "node:crypto"
import { connect, type Socket } from "node:net"
import { compareActors, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Bus } from "@backplane/foundation-actor/bus"
import type { Envelope } from "@backplane/foundation-actor/envelope"
import type { Body } from "@backplane/foundation-actor/machine"
import { decodeFrame, encodeParts, FRAME_MESSAGES_MAX, markReadsPacked, readsPacked, type Carried } from "../batch-frame.ts"
import type { BodyCodec } from "../body-codec.ts"
import { decodeBody, encodeBody, packBody, type Encoded } from "../body-text.ts"
import { BusLedger, type BusCounts } from "../bus-ledger.ts"
import type { EventSink } from "../sinks.ts"
import { abstractPath, LinkPlaceServer } from "./link-place.ts"
import { isLinkBody, type LinkBody, type LinkPlace } from "./link-protocol.ts"
import { LENGTH_BYTES, LinkSocket } from "./link-socket.ts"

const LOOPBACK = "127.0.0.1"
const PEERS_MAX = 4096
const PAYLOAD_BYTES_MAX = 8 * 1_048_576
/** A frame is sent when it has grown to this. */
const FRAME_BYTES = 262_144
/** How long after an offer the next: doubled while none is taken up. */
const OFFER_AGAIN_MILLISECONDS = 250
const OFFER_AGAIN_MILLISECONDS_MAX = 60_000
/** The other side's last word over the bus must come within this. */
const SWITCH_MILLISECONDS = 2_000
const HELD_BYTES_MAX = 8 * 1_048_576

export interface LinkBusOptions {
  /** Carries what no link does. Its codec must know the bodies of links (`withLinks`). */
  readonly far: Bus
  readonly codec: BodyCodec
  readonly events: EventSink
  /** What an actor hears in the name of a peer whose link broke from the other side. Default: nothing. */
  readonly lost?: Body
  /** May these two have a link? Who may not never sees an offer. Default: any two. */
  readonly between?: (own: ActorId, far: ActorId) => boolean
  /** Address on which links come in. Default: loopback. */
  readonly host?: string
}

type Handler = (envelope: Envelope) => void

/** An actor here and one elsewhere. */
interface Pair {
  readonly machine: string
  readonly own: ActorId
  readonly far: ActorId
  readonly handler: Handler
  /** Of the offer that is under way, or of the link. */
  token: string | null
  link: LinkSocket | null
  /** The other side has said its last word over the bus, under this token. */
  switched: string | null
  /** Frames that came before that. */
  held: Buffer[]
  heldBytes: number
  offeredAt: number
  offerAgainAt: number
  offerWait: number
  /** The other side's offer that was answered last. */
  invited: string | null
  /** The place that was told for the own offer is being called. */
  dialing: boolean
  /** There has been a link: the peer takes offers up, once it is there. */
  wasLinked: boolean
  /** The other side reads packed bodies: its frames say so. */
  packs: boolean
  texts: string[]
  carried: Carried[]
  bytes: number
}

export class LinkBus implements Bus {
  readonly #options: LinkBusOptions
  readonly #ledger: BusLedger
  readonly #place: LinkPlaceServer
  readonly #handlers = new Map<string, Handler>()
  readonly #pairs = new Map<string, Pair>()
  #links = 0
  #open = true
  /** Pairs with something to send at the end of this turn. */
  #pending: Pair[] = []
  #last: { readonly body: Body; readonly packs: boolean; readonly encoded: Encoded } | null = null
  #arrived: { readonly pair: Pair; readonly frame: Buffer }[] = []

  constructor(options: LinkBusOptions) {
    this.#options = options
    this.#ledger = new BusLedger(options.events)
    this.#place = new LinkPlaceServer(options.host ?? LOOPBACK)
  }

  /** What went over links; `frames`: batches that were sent. */
  get counts(): Readonly<BusCounts> {
    return this.#ledger.counts
  }

  /** Links that are up. */
  get links(): number {
    return this.#links
  }

  publish(envelope: Envelope): void {
    const pair = this.#pairOf(envelope.machine, envelope.from, envelope.to)
    if (pair === null) return this.#options.far.publish(envelope)
    if (pair.link === null) {
      this.#options.far.publish(envelope)
      if (performance.now() >= pair.offerAgainAt) this.#offer(pair)
      return
    }
    const encoded = this.#encode(envelope.body, pair.packs)
    if (encoded.text === undefined) return this.#ledger.problem("oversize", envelope, "body", encoded.reason)
    if (pair.texts.length === 0) this.#pend(pair)
    pair.texts.push(encoded.text)
    const { raw } = encoded
    pair.carried.push(raw === undefined ? envelope : { trace: envelope.trace, stamp: envelope.stamp, raw })
    pair.bytes += encoded.text.length + (raw?.length ?? 0)
    if (pair.bytes >= FRAME_BYTES || pair.texts.length >= FRAME_MESSAGES_MAX) this.#send(pair)
  }

  subscribe(machine: string, actor: ActorId, handler: Handler): () => void {
    const name = `${machine} ${actor}`
    this.#handlers.set(name, handler)
    const leave = this.#options.far.subscribe(machine, actor, (envelope) => this.#onFar(envelope, handler))
    return () => {
      leave()
      this.#handlers.delete(name)
      for (const [key, pair] of this.#pairs) {
        if (pair.machine !== machine || pair.own !== actor) continue
        pair.link?.destroy()
        this.#pairs.delete(key)
      }
    }
  }

  /** Sends now what waits for the end of the turn. */
  flush(): void {
    // Who made a body may change it once its turn is over.
    this.#last = null
    const pending = this.#pending
    this.#pending = []
    for (const pair of pending) this.#send(pair)
  }

  /** As a network would: what is under way is lost, later messages go over the bus until there are links again. */
  breakLinks(): void {
    for (const { link } of this.#pairs.values()) link?.destroy()
  }

  close(): void {
    this.flush()
    this.#open = false
    this.#place.close()
    this.breakLinks()
  }

  /** Null where the sender is nobody here, or there are too many. */
  #pairOf(machine: string, own: ActorId, far: ActorId): Pair | null {
    const key = `${machine} ${own} ${far}`
    const known = this.#pairs.get(key)
    if (known !== undefined) return known
    const handler = this.#handlers.get(`${machine} ${own}`)
    if (handler === undefined || own === far || !this.#open) return null
    if (this.#options.between?.(own, far) === false) return null
    if (this.#pairs.size >= PEERS_MAX) this.#forgetIdle()
    if (this.#pairs.size >= PEERS_MAX) return null
    const pair: Pair = {
      ...{ machine, own, far, handler },
      ...{ token: null, link: null, switched: null, held: [], heldBytes: 0 },
      ...{
        offeredAt: 0,
        offerAgainAt: 0,
        offerWait: OFFER_AGAIN_MILLISECONDS,
        invited: null,
        dialing: false,
        wasLinked: false,
        packs: false,
      },
      ...{ texts: [], carried: [], bytes: 0 },
    }
    this.#pairs.set(key, pair)
    return pair
  }

  #forgetIdle(): void {
    for (const [key, { link }] of this.#pairs) if (link === null) this.#pairs.delete(key)
  }

  /** One body for several receivers is made into text once: what one step says to its peers is often the same. */
  #encode(body: Body, packs: boolean): Encoded {
    if (this.#last?.body === body && this.#last.packs === packs) return this.#last.encoded
    const { codec } = this.#options
    const packed = packs ? packBody(codec, body, PAYLOAD_BYTES_MAX) : null
    const encoded = packed ?? encodeBody(codec, body, PAYLOAD_BYTES_MAX)
    this.#last = { body, packs, encoded }
    return encoded
  }

  #tell({ machine, own, far }: Pair, body: LinkBody): void {
    this.#options.far.publish({ machine, from: own, to: far, body })
  }

  #offer(pair: Pair): void {
    pair.token = randomBytes(16).toString("hex")
    pair.offeredAt = performance.now()
    pair.offerAgainAt = pair.offeredAt + pair.offerWait
    pair.offerWait = Math.min(OFFER_AGAIN_MILLISECONDS_MAX, pair.offerWait * 2)
    this.#tell(pair, { kind: "LinkOffer", token: pair.token })
  }

  #onFar(envelope: Envelope, handler: Handler): void {
    const { machine, from, to, body } = envelope
    if (isLinkBody(body)) {
      const pair = this.#pairOf(machine, to, from)
      if (pair !== null) this.#onLinkBody(pair, body)
      return
    }
    const pair = this.#pairs.get(`${machine} ${to} ${from}`)
    if (pair !== undefined && pair.link !== null && pair.switched === pair.token) {
      // It has lost the link and said so by speaking here. What came over the link was said before.
      this.#deliver()
      pair.link.destroy()
      this.#unlink(pair, pair.link)
    }
    if (pair !== undefined && pair.link === null && pair.wasLinked) this.#isBack(pair)
    handler(envelope)
  }

  /** Offers to one that was gone were for nobody; now that it speaks it is not to wait for the next as long as they have come to wait. */
  #isBack(pair: Pair): void {
    pair.offerWait = OFFER_AGAIN_MILLISECONDS
    pair.offerAgainAt = Math.min(pair.offerAgainAt, pair.offeredAt + OFFER_AGAIN_MILLISECONDS)
  }

  #onLinkBody(pair: Pair, body: LinkBody): void {
    switch (body.kind) {
      case "LinkOffer": {
        // Both have offered: the smaller name's stands.
        const isAsking = pair.link === null && pair.token !== null && performance.now() < pair.offerAgainAt
        if (isAsking && compareActors(pair.own, pair.far) < 0) {
          // It may have begun behind the offer, and never hear of it.
          this.#tell(pair, { kind: "LinkOffer", token: pair.token as string })
          return
        }
        // Two links at a time would each end the other, and both sides take the peer for gone.
        if (body.token === pair.invited || pair.dialing) return
        pair.invited = body.token
        if (pair.link === null) pair.token = null
        pair.offerAgainAt = Math.max(pair.offerAgainAt, performance.now() + OFFER_AGAIN_MILLISECONDS)
        return void this.#invite(pair, body.token)
      }
      case "LinkPlace":
        if (body.token === pair.token && pair.link === null) this.#dial(pair, body)
        return
      case "LinkSwitch":
        pair.switched = body.token
        if (pair.link === null || body.token !== pair.token) return
        for (const frame of pair.held) this.#arrive(pair, frame)
        pair.held = []
        return
    }
  }

  async #invite(pair: Pair, token: string): Promise<void> {
    try {
      const { port, path } = await this.#place.expect(token, (socket) => this.#linked(pair, socket, token))
      const host = this.#options.host ?? LOOPBACK
      if (this.#open) this.#tell(pair, { kind: "LinkPlace", token, host, port, ...(path === null ? {} : { path }) })
    } catch (error) {
      this.#ledger.problem("refused", { machine: pair.machine, from: pair.far, to: pair.own }, "link", String(error))
    }
  }

  #dial(pair: Pair, place: LinkPlace): void {
    const { token, host, port, path } = place
    const isPath = path !== undefined && process.platform === "linux"
    const socket = isPath ? connect({ path: abstractPath(path) }) : connect({ host, port, noDelay: true })
    pair.dialing = true
    socket.once("close", () => (pair.dialing = false))
    socket.setTimeout(SWITCH_MILLISECONDS, () => socket.destroy())
    socket.once("error", () => {
      socket.destroy()
      // The name cannot be reached from here, because of who may use it or where it counts: the port may.
      if (isPath && pair.token === token && pair.link === null) this.#dial(pair, { kind: "LinkPlace", token, host, port })
    })
    socket.once("connect", () => {
      pair.dialing = false
      socket.setTimeout(0)
      if (pair.token !== token || pair.link !== null || !this.#open) return void socket.destroy()
      socket.write(token, "latin1")
      this.#linked(pair, socket, token)
    })
  }

  #linked(pair: Pair, socket: Socket, token: string): void {
    if (!this.#open || !this.#pairs.has(`${pair.machine} ${pair.own} ${pair.far}`)) return void socket.destroy()
    if (pair.link !== null) {
      const old = pair.link
      old.destroy()
      this.#unlink(pair, old)
    }
    this.#tell(pair, { kind: "LinkSwitch", token })
    const link: LinkSocket = new LinkSocket({
      socket,
      onFrame: (frame) => this.#onFrame(pair, link, frame),
      onClose: () => this.#onClose(pair, link),
    })
    pair.link = link
    pair.packs = false
    pair.token = token
    pair.offerWait = OFFER_AGAIN_MILLISECONDS
    pair.wasLinked = true
    this.#links++
    setTimeout(() => pair.link === link && pair.switched !== token && link.destroy(), SWITCH_MILLISECONDS).unref()
    this.#event("bus.linked", pair)
  }

  /** Not by us: the peer's process has ended, most likely. */
  #onClose(pair: Pair, link: LinkSocket): void {
    if (pair.link !== link) return
    this.#deliver()
    this.#unlink(pair, link)
    const { machine, own, far, handler } = pair
    const { lost } = this.#options
    if (lost !== undefined && this.#open && this.#handlers.get(`${machine} ${own}`) === handler)
      handler({ machine, from: far, to: own, body: lost })
  }

  #unlink(pair: Pair, link: LinkSocket): void {
    if (pair.link !== link) return
    pair.link = null
    pair.token = null
    pair.held = []
    pair.heldBytes = 0
    if (pair.texts.length > 0) this.#drop(pair, "the link broke")
    // The peer is gone or restarts: not at once.
    pair.offerAgainAt = performance.now() + OFFER_AGAIN_MILLISECONDS
    this.#links--
    this.#event("bus.unlinked", pair)
  }

  #onFrame(pair: Pair, link: LinkSocket, frame: Buffer): void {
    if (pair.link !== link) return
    if (pair.switched === pair.token) return this.#arrive(pair, frame)
    pair.held.push(frame)
    pair.heldBytes += frame.length
    if (pair.heldBytes > HELD_BYTES_MAX) link.destroy()
  }

  #arrive(pair: Pair, frame: Buffer): void {
    // Behind the poll, so that all that has come by then is one turn's work; no timer.
    if (this.#arrived.length === 0) setImmediate(() => this.#deliver())
    this.#arrived.push({ pair, frame })
  }

  #deliver(): void {
    const arrived = this.#arrived
    this.#arrived = []
    for (const { pair, frame } of arrived) this.#deliverFrame(pair, frame)
  }

  #deliverFrame(pair: Pair, frame: Buffer): void {
    const { machine, own, far, handler } = pair
    const about = { machine, from: far, to: own }
    const messages = decodeFrame(frame)
    if (typeof messages === "string") return this.#ledger.problem("malformed", about, "frame", messages)
    pair.packs ||= this.#options.codec.packer !== undefined && readsPacked(frame)
    for (const { value, trace, stamp, raw } of messages) {
      if (this.#handlers.get(`${machine} ${own}`) !== handler) return
      const { body, rejection } = decodeBody(this.#options.codec, value, raw)
      if (body === undefined) {
        this.#ledger.problem("rejected", about, rejection.field, rejection.reason)
        continue
      }
      this.#ledger.counts.received++
      if (trace === undefined && stamp === undefined) handler({ ...about, body })
      else handler({ ...about, body, ...(trace === undefined ? {} : { trace }), ...(stamp === undefined ? {} : { stamp }) })
    }
  }

  #pend(pair: Pair): void {
    // At the end of the turn, which is a microtask itself: what other sockets bring in the same round would only keep the peers waiting for it.
    if (this.#pending.length === 0) queueMicrotask(() => this.flush())
    this.#pending.push(pair)
  }

  #send(pair: Pair): void {
    if (pair.texts.length === 0) return
    const parts = encodeParts(pair.texts, pair.carried, LENGTH_BYTES)
    if (this.#options.codec.packer !== undefined) markReadsPacked(parts[0], LENGTH_BYTES)
    if (pair.link?.send(parts) !== true) return this.#drop(pair, "the peer reads too slowly")
    this.#ledger.counts.sent += pair.texts.length
    this.#ledger.counts.frames++
    this.#clear(pair)
  }

  #drop(pair: Pair, reason: string): void {
    const { machine, own, far, texts } = pair
    this.#ledger.problem("dropped", { machine, from: own, to: far }, "link", reason)
    this.#ledger.counts.dropped += texts.length - 1
    this.#clear(pair)
  }

  #clear(pair: Pair): void {
    pair.texts = []
    pair.carried = []
    pair.bytes = 0
  }

  #event(name: "bus.linked" | "bus.unlinked", { machine, own, far }: Pair): void {
    this.#options.events.event({ name, level: "debug", machine, fields: { from: own, to: far } })
  }
}
