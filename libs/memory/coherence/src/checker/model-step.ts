/**
 * What can happen in a state of the model, and what comes of it. The protocol's own code is run here, with the very tables of production;
 * this file only plays CPUs, TLBs, the network and a home that dies.
 */
import { defined } from "@backplane/foundation-base/assert"
import { hearHome } from "../home-entry.ts"
import { hearStore } from "../frame-store.ts"
import { access, evict, hear, heldPage, newHome, retire, timeOut, waitsForHome, type PageEffect } from "../page-record.ts"
import { newHomeEntry } from "../home-entry.ts"
import { rebuiltEntry, type ReportedPage } from "../rebuild.ts"
import {
  ALL_REPORTERS,
  FRAMES,
  NODES,
  PAGES,
  type ModelBounds,
  type ModelMessage,
  type ModelNode,
  type ModelOperation,
  type ModelState,
  readersOnly,
} from "./model-state.ts"
import type { MessageNumbers } from "./model-state.ts"
import type { Flow } from "../flow.ts"
import type { PageContext, PageRecord } from "../page-record.ts"
import type { Protocol } from "../rules.ts"

/** Something that may happen. `deliver` takes the number of a message. */
export type ModelEvent =
  | { readonly kind: "deliver"; readonly message: number }
  | { readonly kind: "begin"; readonly node: number; readonly operation: ModelOperation; readonly page: number }
  | { readonly kind: "try"; readonly node: number }
  | { readonly kind: "evict"; readonly node: number; readonly page: number }
  | { readonly kind: "timeout"; readonly node: number; readonly page: number }
  | { readonly kind: "crash" }
  /** The home wants the frame elsewhere, or looks after a move under way. */
  | { readonly kind: "move"; readonly page: number }

/** In the place of a node: the home moves frames between two places that are no nodes. */
const MOVES_TO = NODES

function storeAt(place: number): "store" | "store2" {
  return place === 0 ? "store" : "store2"
}

/** The protocol broke a promise. */
export class Violation extends Error {
  override readonly name = "Violation"
}

export class ModelStepper {
  readonly #protocol: Protocol
  readonly #numbers: MessageNumbers
  readonly #bounds: ModelBounds
  /** Everything said in the last step, as numbers: for runs that deliver in order. */
  said: number[] = []

  constructor(protocol: Protocol, numbers: MessageNumbers, bounds: ModelBounds) {
    this.#protocol = protocol
    this.#bounds = bounds
    this.#numbers = numbers
  }

  events(state: ModelState): readonly ModelEvent[] {
    const events: ModelEvent[] = state.messages.map((message) => ({ kind: "deliver", message }))
    state.nodes.forEach((each, node) => {
      if (each.busy !== null) events.push({ kind: "try", node })
      else if (state.operations > 0 && node <= state.nodesUsed) {
        const pages = Math.min(this.#bounds.pages, state.pagesUsed + 1)
        for (const operation of this.#bounds.kinds)
          for (let page = 0; page < pages; page++) events.push({ kind: "begin", node, operation, page })
      }
      each.records.forEach((record, page) => {
        if (waitsForHome(record)) events.push({ kind: "timeout", node, page })
        if (state.evictions > 0 && record.hasBytes) events.push({ kind: "evict", node, page })
      })
    })
    if (state.reported === ALL_REPORTERS)
      state.entries.forEach(({ transaction }, page) => {
        if (transaction?.kind === "Move" || (transaction === null && state.moves > 0 && page < state.pagesUsed))
          events.push({ kind: "move", page })
      })
    if (state.crashes > 0) events.push({ kind: "crash" })
    return events
  }

  /** Changes `state`. Throws a `Violation` where a promise is broken, and any error that the protocol itself throws. */
  step(state: ModelState, event: ModelEvent): void {
    this.said = []
    switch (event.kind) {
      case "deliver":
        return this.#deliver(state, this.#numbers.message(event.message))
      case "begin":
        state.operations -= 1
        state.nodesUsed = Math.max(state.nodesUsed, event.node + 1)
        state.pagesUsed = Math.max(state.pagesUsed, event.page + 1)
        this.#node(state, event.node).busy = { operation: event.operation, page: event.page }
        return
      case "try":
        return this.#try(state, event.node)
      case "evict": {
        state.evictions -= 1
        const record = this.#record(state, event.node, event.page)
        const { effects } = evict(this.#context(state, event.node, event.page), record)
        return this.#carryOut(state, { node: event.node, page: event.page, value: 0 }, effects)
      }
      case "timeout": {
        const context = this.#context(state, event.node, event.page)
        const effects = timeOut(context, this.#record(state, event.node, event.page))
        return this.#carryOut(state, { node: event.node, page: event.page, value: 0 }, effects)
      }
      case "crash":
        return this.#crash(state)
      case "move": {
        const entry = defined(state.entries[event.page], "the page exists")
        if (entry.transaction === null) state.moves -= 1
        return this.#atHome(state, event.page, { kind: "Move", epoch: state.epoch, node: MOVES_TO, txn: 0 })
      }
    }
  }

  #atHome(state: ModelState, page: number, flow: Flow): void {
    const entry = defined(state.entries[page], "the page exists")
    for (const each of hearHome({ protocol: this.#protocol, epoch: state.epoch }, entry, flow)) {
      const home = state.homes[page] ?? 0
      if (each.to === "moved") {
        this.#send(state, { to: storeAt(home), page, flow: { kind: "FrameFree", epoch: state.epoch, serial: each.flow.serial } })
        state.homes[page] = 1 - home
      } else if (each.to === "store") this.#send(state, { to: storeAt(home), page, flow: each.flow })
      else this.#send(state, { to: each.to, page, flow: this.#homed(each.flow, home) })
    }
    entry.readersOnly = readersOnly(state, page, entry)
  }

  /** Orders and data say where the frame lies; where it cannot move nothing is said of it: fewer different messages. */
  #homed(flow: Flow, home: number): Flow {
    if ((this.#bounds.moves ?? 0) === 0) return flow
    switch (flow.kind) {
      case "FwdS":
      case "FwdM":
      case "Inv":
      case "Recall":
      case "Flush":
      case "Released":
      case "Grant":
      case "Data":
        return { ...flow, home }
      default:
        return flow
    }
  }

  #node(state: ModelState, node: number): ModelNode {
    return defined(state.nodes[node], "the node exists")
  }

  #record(state: ModelState, node: number, page: number): PageRecord {
    return defined(this.#node(state, node).records[page], "the page exists")
  }

  #context(state: ModelState, node: number, page: number): PageContext {
    const each = this.#node(state, node)
    return { protocol: this.#protocol, node, epoch: each.epoch, value: each.values[page] ?? 0 }
  }

  #send(state: ModelState, message: ModelMessage): void {
    const number = this.#numbers.numberOf(message)
    this.said.push(number)
    if (state.messages.includes(number)) return
    state.messages.push(number)
    state.messages.sort((a, b) => a - b)
  }

  #deliver(state: ModelState, { to, page, flow }: ModelMessage): void {
    if (flow.kind === "Up") return this.#onUp(state, flow)
    if (flow.kind === "Report") return this.#onReport(state, { to, page, flow }, flow)
    if (to === "home") {
      if (state.reported !== ALL_REPORTERS && !this.#protocol.rules.rebuildComplete(state.reported, ALL_REPORTERS)) return
      this.#atHome(state, page, flow)
    } else if (to === "store" || to === "store2") this.#atStore(state, { page, place: to === "store" ? 0 : 1 }, flow)
    else {
      const effects = hear(this.#context(state, to, page), this.#record(state, to, page), flow)
      this.#carryOut(state, { node: to, page, value: "value" in flow ? flow.value : 0 }, effects)
    }
  }

  #atStore(state: ModelState, { page, place }: { readonly page: number; readonly place: number }, flow: Flow): void {
    const at = page * FRAMES + place
    const operate = (): number => {
      const found = state.storeValues[at] ?? 0
      if (found !== state.latest[page]) throw new Violation(`an operation at home found ${found}, the last write was ${state.latest[page]}`)
      state.latest[page] = found + 1
      state.storeValues[at] = found + 1
      return found
    }
    const context = { protocol: this.#protocol, epoch: state.storeEpoch, value: state.storeValues[at] ?? 0, operate }
    for (const effect of hearStore(context, defined(state.stores[at], "the page exists"), flow)) {
      if (effect.kind === "take") {
        if ("value" in flow) state.storeValues[at] = flow.value
      } else if (effect.flow.kind === "Frame") this.#send(state, { to: storeAt(1 - place), page, flow: effect.flow })
      else this.#send(state, { to: effect.to, page, flow: this.#homed(effect.flow, place) })
    }
  }

  #carryOut(
    state: ModelState,
    { node, page, value }: { readonly node: number; readonly page: number; readonly value: number },
    effects: readonly PageEffect[],
  ): void {
    const each = this.#node(state, node)
    for (const effect of effects) {
      if (effect.kind === "send") {
        const { home } = this.#record(state, node, page)
        this.#send(state, {
          to: effect.to === "store" ? storeAt(Math.max(0, home)) : effect.to,
          page,
          flow: this.#homed(effect.flow, home),
        })
      } else if (effect.kind === "rights") this.#setRights(state, { node, page, rights: effect.rights })
      else if (effect.kind === "fill") each.values[page] = value
      else if (effect.kind === "result") {
        // The operation was done at home: the instruction is over.
        if (each.busy?.operation === "operate") each.busy = null
      }
    }
  }

  #setRights(
    state: ModelState,
    { node, page, rights }: { readonly node: number; readonly page: number; readonly rights: "none" | "read" | "write" },
  ): void {
    const each = this.#node(state, node)
    const record = this.#record(state, node, page)
    if (rights === "none") {
      if (record.pinned) throw new Violation("a page was taken before the instruction that it was brought for had completed")
      if (each.reserved === page && this.#protocol.rules.breaksReservation) each.reserved = -1
    }
    each.tlb[page] = rights === "none" ? 0 : rights === "read" ? 1 : 2
  }

  /** The CPU executes what it is at, if it may. */
  #try(state: ModelState, node: number): void {
    const each = this.#node(state, node)
    const { busy } = each
    if (busy === null) return
    const { operation, page } = busy
    const writes = operation !== "load" && operation !== "lr"
    if ((each.tlb[page] ?? 0) < (writes ? 2 : 1)) {
      const record = this.#record(state, node, page)
      // An operation is done at home only where the page is not readable here; else it is a store like any other.
      const kind = operation === "operate" ? "Operate" : writes ? "Store" : "Load"
      const { ready, effects } = access(this.#context(state, node, page), record, kind)
      this.#carryOut(state, { node, page, value: 0 }, effects)
      if (!ready) return
    }
    this.#execute(state, node, busy)
    if (operation === "lr") {
      each.busy = { operation: "sc", page }
      return
    }
    each.busy = null
    const context = this.#context(state, node, page)
    this.#carryOut(state, { node, page, value: 0 }, retire(context, this.#record(state, node, page)))
  }

  #execute(state: ModelState, node: number, { operation, page }: { readonly operation: ModelOperation; readonly page: number }): void {
    const each = this.#node(state, node)
    const found = each.values[page] ?? 0
    const latest = state.latest[page] ?? 0
    if (operation === "sc") {
      const held = this.#protocol.rules.reservationHolds(each.reserved === page)
      each.reserved = -1
      if (!held) return
      if (each.reservedValue !== latest) throw new Violation("SC succeeded although another CPU had written since the LR")
    }
    if (found !== latest) throw new Violation(`${operation} found write ${found}, the last was ${latest}`)
    if (operation === "lr") {
      each.reserved = page
      each.reservedValue = found
    }
    if (operation === "load" || operation === "lr") return
    state.latest[page] = latest + 1
    each.values[page] = latest + 1
  }

  #crash(state: ModelState): void {
    state.crashes -= 1
    state.epoch += 1
    state.reported = 0
    state.reports.fill(0)
    for (let page = 0; page < PAGES; page++) state.entries[page] = newHomeEntry(NODES)
    for (let reporter = 0; reporter <= NODES; reporter++)
      this.#send(state, { to: reporter, page: 0, flow: { kind: "Up", epoch: state.epoch, toReporter: reporter } })
  }

  #onUp(state: ModelState, { epoch, toReporter }: { readonly epoch: number; readonly toReporter: number }): void {
    if (toReporter === NODES) {
      if (epoch < state.storeEpoch) return
      state.storeEpoch = epoch
    } else {
      const each = this.#node(state, toReporter)
      if (epoch < each.epoch) return
      const isNew = epoch > each.epoch
      each.epoch = epoch
      if (isNew) each.records.forEach((record, page) => newHome(this.#context(state, toReporter, page), record))
    }
    const held = toReporter === NODES ? [] : this.#node(state, toReporter).records.map(heldPage)
    const stored = toReporter === NODES ? state.stores.map(({ version, since, dropped }) => (dropped ? null : { version, since })) : []
    this.#send(state, { to: "home", page: 0, flow: { kind: "Report", epoch, from: toReporter, held, stored } })
  }

  #onReport(state: ModelState, message: ModelMessage, { epoch, from }: { readonly epoch: number; readonly from: number }): void {
    if (epoch !== state.epoch || state.reported === ALL_REPORTERS || (state.reported & (1 << from)) !== 0) return
    state.reported |= 1 << from
    state.reports[from] = this.#numbers.numberOf(message)
    if (!this.#protocol.rules.rebuildComplete(state.reported, ALL_REPORTERS)) return
    for (let page = 0; page < PAGES; page++) {
      const held: ReportedPage[] = []
      let stored = 0
      let since = 0
      state.reports.forEach((number, reporter) => {
        if (number === 0) return
        const { flow } = this.#numbers.message(number)
        if (flow.kind !== "Report") return
        const copy = flow.held[page]
        if (copy !== null && copy !== undefined) held.push({ ...copy, node: reporter })
        if (reporter === NODES)
          for (let place = 0; place < FRAMES; place++) {
            const frame = flow.stored[page * FRAMES + place]
            if (frame === null || frame === undefined || (place > 0 && frame.since < since)) continue
            stored = frame.version
            since = frame.since
            state.homes[page] = place
          }
      })
      const entry = rebuiltEntry(this.#protocol, { nodes: NODES, stored, since, held })
      state.entries[page] = { ...entry, readersOnly: readersOnly(state, page, entry) }
    }
    state.reported = ALL_REPORTERS
    state.reports.fill(0)
  }
}
