/**
 * The world of the model checker: three nodes, two pages, a home, their frame stores, and a network that never forgets a message.
 *
 * Every message ever sent stays in the network and may be delivered at any time, any number of times, or never: loss, duplication and
 * reordering at their worst. A state is a list of small integers; messages are numbered as they are first met.
 */
import { defined } from "@backplane/foundation-base/assert"
import { HOME_TABLE, type HomeState } from "../home-table.ts"
import { NODE_TABLE, type NodeState } from "../node-table.ts"
import { absentFrameStore, newFrameStore, type FrameStore } from "../frame-store.ts"
import { newHomeEntry, type HomeEntry, type HomeRequest, type Transaction } from "../home-entry.ts"
import { newPageRecord, type HeldPage, type PageRecord } from "../page-record.ts"
import type { Flow, HomeOrderFlow, Want } from "../flow.ts"

export const NODES = 3
export const PAGES = 2
/** All reporters of a rebuild: the nodes, then the frame stores' node, as one more. */
export const ALL_REPORTERS = (1 << (NODES + 1)) - 1

/** What nodes say to a home in a new life, and it to them. `from` NODES is where the frame stores are. */
export type ModelFlow =
  | Flow
  | { readonly kind: "Up"; readonly epoch: number; readonly toReporter: number }
  | {
      readonly kind: "Report"
      readonly epoch: number
      readonly from: number
      readonly held: readonly (HeldPage | null)[]
      readonly stored: readonly ({ readonly version: number; readonly since: number } | null)[]
    }

/** Places where the frame of a page can lie. */
export const FRAMES = 2

export interface ModelMessage {
  /** `store`: the first place of the frame, `store2` the second. */
  readonly to: "home" | "store" | "store2" | number
  readonly page: number
  readonly flow: ModelFlow
}

/** `lr`: load-reserved, then store-conditional. */
export type ModelOperation = "load" | "store" | "lr" | "sc" | "operate"
export const MODEL_OPERATIONS: readonly ModelOperation[] = ["load", "store", "lr", "sc", "operate"]

export interface ModelNode {
  epoch: number
  readonly records: PageRecord[]
  /** By page: what the CPU may do without asking: 0 nothing, 1 read, 2 write. */
  readonly tlb: number[]
  /** By page: what the bytes are: the number of writes they have seen. */
  readonly values: number[]
  /** What the CPU is at, or null. */
  busy: { operation: ModelOperation; page: number } | null
  /** The page of a reservation (-1: none), and the value that it saw. */
  reserved: number
  reservedValue: number
}

export interface ModelState {
  epoch: number
  /** Reporters known in a rebuild; ALL_REPORTERS when none is under way. */
  reported: number
  /** Reports of a rebuild under way, by reporter: message numbers, 0 for none. */
  readonly reports: number[]
  readonly entries: HomeEntry[]
  storeEpoch: number
  /** By page: which of the two places the home takes for the frame's. */
  readonly homes: number[]
  /** By page and place: page * FRAMES + place. */
  readonly stores: FrameStore[]
  readonly storeValues: number[]
  readonly nodes: ModelNode[]
  /** By page: how many writes there have been, in all. */
  readonly latest: number[]
  /** Operations, evictions and crashes of the home that may still happen. */
  operations: number
  evictions: number
  crashes: number
  moves: number
  /** The first place of each frame is a page store: readers get S from there, never E. */
  keeper: boolean
  /** Nodes and pages that have been in use: the next new one is the lowest, for all unused ones are alike (symmetry). */
  nodesUsed: number
  pagesUsed: number
  /** Numbers of all messages ever sent, ascending. */
  messages: number[]
}

export interface ModelBounds {
  readonly operations: number
  readonly evictions: number
  readonly crashes: number
  /** How often the home may give a frame another place. */
  readonly moves?: number
  readonly keeper?: true
  /** Which operations CPUs begin (`lr` goes on to `sc`), and on how many of the pages. */
  readonly kinds: readonly ModelOperation[]
  readonly pages: number
  /** Where it begins: nobody has anything, or every node has a readable copy of every page. */
  readonly start: "untouched" | "shared"
}

export function initialState(bounds: ModelBounds): ModelState {
  const state = untouched(bounds)
  if (bounds.start === "untouched") return state
  for (const entry of state.entries) Object.assign(entry, { state: "S", serial: 1, sharers: 2 ** NODES - 1 })
  for (const { records, tlb } of state.nodes) {
    tlb.fill(1)
    for (const record of records) Object.assign(record, { state: "S", serial: 1, hasBytes: true })
  }
  return state
}

/** As in the directory, by where the frame lies; while it is on its way, as it will be in a node. */
export function readersOnly(
  { keeper, homes }: Pick<ModelState, "keeper" | "homes">,
  page: number,
  entry: Pick<HomeEntry, "transaction">,
): boolean {
  return keeper && homes[page] === 0 && entry.transaction?.kind !== "Move"
}

function untouched({ operations, evictions, crashes, moves = 0, keeper }: ModelBounds): ModelState {
  const pages = <T>(make: () => T): T[] => Array.from({ length: PAGES }, make)
  return {
    epoch: 1,
    reported: ALL_REPORTERS,
    reports: new Array<number>(NODES + 1).fill(0),
    entries: pages(() => ({ ...newHomeEntry(NODES), readersOnly: keeper === true })),
    storeEpoch: 1,
    homes: pages(() => 0),
    stores: Array.from({ length: PAGES * FRAMES }, (_, at) => (at % FRAMES === 0 ? newFrameStore(NODES) : absentFrameStore(NODES))),
    storeValues: new Array<number>(PAGES * FRAMES).fill(0),
    nodes: Array.from({ length: NODES }, () => ({
      epoch: 1,
      records: pages(newPageRecord),
      tlb: pages(() => 0),
      values: pages(() => 0),
      busy: null,
      reserved: -1,
      reservedValue: 0,
    })),
    latest: pages(() => 0),
    operations,
    evictions,
    crashes,
    moves,
    keeper: keeper === true,
    nodesUsed: 0,
    pagesUsed: 0,
    messages: [],
  }
}

/** Numbers messages: equal ones get the same number, from 1. */
export class MessageNumbers {
  readonly #numbers = new Map<string, number>()
  readonly #messages: ModelMessage[] = []

  numberOf(message: ModelMessage): number {
    const key = JSON.stringify(message)
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    this.#messages.push(message)
    this.#numbers.set(key, this.#messages.length)
    return this.#messages.length
  }

  message(number: number): ModelMessage {
    return defined(this.#messages[number - 1], "a message has a number")
  }
}

const NODE_STATES = Object.keys(NODE_TABLE) as readonly NodeState[]
const HOME_STATES = Object.keys(HOME_TABLE) as readonly HomeState[]
const WANTS: readonly Want[] = ["S", "E", "M"]
const TRANSACTIONS: readonly Transaction["kind"][] = ["GetS", "GetM", "Upgrade", "Operate", "Flush", "Move"]

/** A state as small integers and back. Negative ones are moved up by one: every number in here is at least -1. */
export class ModelCodec {
  readonly numbers = new MessageNumbers()
  readonly #out = new Uint16Array(4096)
  #at = 0

  encode(state: ModelState): Uint16Array {
    this.#at = 0
    this.#put(
      state.epoch,
      state.reported,
      state.storeEpoch,
      state.operations,
      state.evictions,
      state.crashes,
      state.moves,
      state.keeper ? 1 : 0,
    )
    this.#put(state.nodesUsed, state.pagesUsed)
    this.#put(...state.reports, ...state.storeValues, ...state.latest, ...state.homes)
    for (let page = 0; page < PAGES; page++) {
      this.#entry(defined(state.entries[page], "a page has an entry"), page)
    }
    for (const { version, since, dropped, operations } of state.stores) {
      this.#put(version, since, dropped ? 1 : 0)
      for (const { txn, result } of operations) this.#put(txn, result)
    }
    for (const node of state.nodes) this.#node(node)
    this.#put(...state.messages)
    return this.#out.slice(0, this.#at)
  }

  decode(numbers: Uint16Array): ModelState {
    let at = 0
    const take = (): number => (numbers[at++] ?? 0) - 1
    const list = (count: number): number[] => {
      const taken: number[] = []
      for (let index = 0; index < count; index++) taken.push(take())
      return taken
    }
    const head = list(8) as [number, number, number, number, number, number, number, number]
    const [epoch, reported, storeEpoch, operations, evictions, crashes, moves, kept] = head
    const keeper = kept === 1
    const [nodesUsed, pagesUsed] = [take(), take()]
    const reports = list(NODES + 1)
    const storeValues = list(PAGES * FRAMES)
    const latest = list(PAGES)
    const homes = list(PAGES)
    const entries: HomeEntry[] = []
    const stores: FrameStore[] = []
    for (let page = 0; page < PAGES; page++) {
      const entry = this.#takeEntry(take)
      entries.push({ ...entry, readersOnly: readersOnly({ keeper, homes }, page, entry) })
    }
    for (let at = 0; at < PAGES * FRAMES; at++) {
      const [version, since, dropped] = [take(), take(), take() === 1]
      stores.push({ version, since, dropped, operations: Array.from({ length: NODES }, () => ({ txn: take(), result: take() })) })
    }
    const nodes = Array.from({ length: NODES }, () => this.#takeNode(take))
    const messages: number[] = []
    while (at < numbers.length) messages.push(take())
    return {
      epoch, reported, reports, entries, storeEpoch, stores, storeValues, nodes, latest, operations, evictions, crashes, moves, homes, keeper,
      nodesUsed, pagesUsed, messages,
    } // prettier-ignore
  }

  #put(...numbers: readonly number[]): void {
    for (const number of numbers) this.#out[this.#at++] = number + 1
  }

  #entry(entry: HomeEntry, page: number): void {
    const { transaction } = entry
    this.#put(HOME_STATES.indexOf(entry.state), entry.serial, entry.owner, entry.sharers, entry.source, ...entry.served)
    this.#put(transaction === null ? 0 : 1)
    if (transaction !== null) {
      const { kind, node, txn, want, acks, waiting, unstored, unblocked } = transaction
      this.#put(TRANSACTIONS.indexOf(kind), node, txn, WANTS.indexOf(want), acks, waiting, unstored ? 1 : 0, unblocked ? 1 : 0)
    }
    this.#put(entry.queue.length)
    for (const flow of entry.queue) this.#put(this.numbers.numberOf({ to: "home", page, flow }))
  }

  #takeEntry(take: () => number): Omit<HomeEntry, "readersOnly"> {
    const state = defined(HOME_STATES[take()], "a state has a number")
    const [serial, owner, sharers, source] = [take(), take(), take(), take()]
    const served = Array.from({ length: NODES }, take)
    const transaction =
      take() === 0
        ? null
        : {
            kind: defined(TRANSACTIONS[take()], "a kind has a number"),
            node: take(),
            txn: take(),
            want: defined(WANTS[take()], "a want has a number"),
            acks: take(),
            waiting: take(),
            unstored: take() === 1,
            unblocked: take() === 1,
          }
    const queue = Array.from({ length: take() }, () => this.numbers.message(take()).flow as HomeRequest)
    return { state, serial, owner, sharers, source, served, transaction, queue }
  }

  #node(node: ModelNode): void {
    this.#put(node.epoch, ...node.tlb, ...node.values, node.reserved, node.reservedValue)
    this.#put(node.busy === null ? -1 : MODEL_OPERATIONS.indexOf(node.busy.operation), node.busy?.page ?? 0)
    node.records.forEach((record, page) => {
      const { state, txn, serial, version, hasBytes, wanted, got, home, unconfirmed, pinned, deferred } = record
      this.#put(NODE_STATES.indexOf(state), txn, serial, version, wanted, got, home)
      this.#put((hasBytes ? 1 : 0) | (unconfirmed ? 2 : 0) | (pinned ? 4 : 0))
      this.#put(deferred === null ? 0 : this.numbers.numberOf({ to: deferred.to, page, flow: deferred }))
    })
  }

  #takeNode(take: () => number): ModelNode {
    const epoch = take()
    const tlb = Array.from({ length: PAGES }, take)
    const values = Array.from({ length: PAGES }, take)
    const [reserved, reservedValue, operation, page] = [take(), take(), take(), take()]
    const records = Array.from({ length: PAGES }, (): PageRecord => {
      const state = defined(NODE_STATES[take()], "a state has a number")
      const [txn, serial, version, wanted, got, home, flags, deferred] = [take(), take(), take(), take(), take(), take(), take(), take()]
      return {
        state, txn, serial, version, wanted, got, home,
        hasBytes: (flags & 1) !== 0,
        unconfirmed: (flags & 2) !== 0,
        pinned: (flags & 4) !== 0,
        deferred: deferred === 0 ? null : (this.numbers.message(deferred).flow as HomeOrderFlow),
      } // prettier-ignore
    })
    const busy = operation < 0 ? null : { operation: defined(MODEL_OPERATIONS[operation], "an operation has a number"), page }
    return { epoch, records, tlb, values, busy, reserved, reservedValue }
  }
}
