/**
 * One page at one node: interprets the node's table. Pure: a record is changed in place, and what is to be done comes back in order.
 *
 * Not here: bytes, TLBs, timers, the bus. Whoever holds the record carries out the effects in their order (the node's page agent, the
 * model checker), and calls `retire` when the instruction that a page was brought for has completed.
 */
import { assert } from "@backplane/foundation-base/assert"
import { bit, type Flow, type HomeOrderFlow, type NodeMask } from "./flow.ts"
import { ImpossibleMessage } from "./impossible.ts"
import type { NodeAction, NodeEvent, NodeState } from "./node-table.ts"
import type { Protocol } from "./rules.ts"

export interface PageRecord {
  state: NodeState
  /** Number of the last request for this page. Only grows. */
  txn: number
  /** Serial of the home's transaction that was last acted on. Only grows within an epoch. */
  serial: number
  /** Serial of the last exclusive grant whose writes are in the bytes here. */
  version: number
  hasBytes: boolean
  /** Who must acknowledge (-1: not known yet), and who has. */
  wanted: NodeMask | -1
  got: NodeMask
  /** Where the frame of the page lies, as the home last said; -1: not told yet. */
  home: number
  /** The home has not confirmed that it knows of the grant: the notice is repeated. A later request says it as well. */
  unconfirmed: boolean
  /** The instruction that the page was brought for has not completed. */
  pinned: boolean
  /** An order that waits for the pin. One is enough: the home goes on only when it was answered. */
  deferred: HomeOrderFlow | null
}

export function newPageRecord(): PageRecord {
  return {
    state: "I",
    txn: 0,
    serial: 0,
    version: 0,
    hasBytes: false,
    wanted: -1,
    got: 0,
    home: -1,
    unconfirmed: false,
    pinned: false,
    deferred: null,
  }
}

/** What a CPU may do with the page at most. */
export type Rights = "none" | "read" | "write"

/** In the order in which they are to be done. `send` names the receiver by role: the home, the page's frame store, or a node. */
export type PageEffect =
  | { readonly kind: "send"; readonly to: "home" | "store" | number; readonly flow: Flow; readonly bytes: boolean }
  | { readonly kind: "rights"; readonly rights: Rights }
  /** Take the bytes of the message at hand. */
  | { readonly kind: "fill" }
  | { readonly kind: "forget" }
  /** Whoever waits for the page may try again. */
  | { readonly kind: "granted" }
  | { readonly kind: "result" }
  /** The CPU that waits does not get the page. */
  | { readonly kind: "refused" }

export interface PageContext {
  readonly protocol: Protocol
  readonly node: number
  /** Life of the home that the node knows. */
  readonly epoch: number
  /** In the model: what the bytes are now. */
  readonly value: number
}

/** A CPU needs the page. `ready`: it may go on; else it waits for `granted`, or for `result`. */
export function access(
  context: PageContext,
  record: PageRecord,
  kind: "Load" | "Store" | "Operate",
): { readonly ready: boolean; readonly effects: readonly PageEffect[] } {
  const effects: PageEffect[] = []
  if (!apply(context, record, { event: kind, flow: null, effects })) return { ready: false, effects }
  if (effects.some((effect) => effect.kind === "rights")) return { ready: true, effects }
  // A page that is asked for anew is not held on to any longer: two nodes would wait for each other (SC after LR).
  effects.push(...retire(context, record))
  return { ready: false, effects }
}

/** The page's memory is wanted for something else. False: not now. */
export function evict(context: PageContext, record: PageRecord): { readonly accepted: boolean; readonly effects: readonly PageEffect[] } {
  const effects: PageEffect[] = []
  if (record.pinned) return { accepted: false, effects }
  return { accepted: apply(context, record, { event: "Evict", flow: null, effects }), effects }
}

/** No answer for too long: says again what was said. */
export function timeOut(context: PageContext, record: PageRecord): readonly PageEffect[] {
  const effects: PageEffect[] = []
  apply(context, record, { event: "Timeout", flow: null, effects })
  return effects
}

/** Is there anything that a timeout would say again? */
export function waitsForHome(record: PageRecord): boolean {
  return record.unconfirmed || record.state.includes("_")
}

/** The home has begun a new life: answers to the old one count no more. */
export function newHome(context: PageContext, record: PageRecord): void {
  record.wanted = -1
  record.got = 0
  record.deferred = null
  apply(context, record, { event: "NewHome", flow: null, effects: [] })
}

/** The waiting instruction has completed (or its time is up): what waited for that happens now. */
export function retire(context: PageContext, record: PageRecord): readonly PageEffect[] {
  record.pinned = false
  const { deferred } = record
  record.deferred = null
  return deferred === null ? [] : hear(context, record, deferred)
}

/** A message for this page. What is late, doubled or of another life changes nothing. */
export function hear(context: PageContext, record: PageRecord, flow: Flow): readonly PageEffect[] {
  const { rules } = context.protocol
  const effects: PageEffect[] = []
  if (!rules.epochCounts(flow.epoch, context.epoch)) return effects
  const event = eventOf(context, record, flow)
  if (event === null) return effects
  if ("home" in flow && flow.home !== undefined) record.home = flow.home
  if ("to" in flow) {
    if (takesRights(flow.kind) && rules.pinHolds(record.pinned)) {
      record.deferred = flow
      return effects
    }
    // An order later than the grant says that the home knows of the grant.
    if (flow.serial > record.serial) record.unconfirmed = false
  }
  const applied = apply(context, record, { event, flow, effects })
  assert(applied, "a message never stalls")
  if ("to" in flow && flow.serial > record.serial) record.serial = flow.serial
  return effects
}

function takesRights(kind: Flow["kind"]): boolean {
  return kind === "FwdS" || kind === "FwdM" || kind === "Inv" || kind === "Recall"
}

/** The event that a message is for this record now; null: it is stale, or for a request that is over. */
function eventOf({ protocol: { rules } }: PageContext, record: PageRecord, flow: Flow): NodeEvent | null {
  switch (flow.kind) {
    case "FwdS":
    case "FwdM":
    case "Inv":
    case "Recall":
      if (rules.orderIsStale(flow.serial, record.serial)) return null
      return flow.serial === record.serial ? `${flow.kind}Again` : flow.kind
    case "Flush":
      return rules.orderIsStale(flow.serial, record.serial) ? null : "Flush"
    case "Released":
      return flow.serial === record.serial ? "Released" : null
    case "Data":
      if (!rules.answerIsMine(flow.txn, record.txn) || !waitsForData(record.state, flow.want)) return null
      if (flow.want !== "M") return flow.want === "S" ? "DataS" : "DataE"
      return record.state === "IM_AD" && rules.acksComplete(record.got, flow.acks) ? "DataLast" : "Data"
    case "Grant":
      if (!rules.answerIsMine(flow.txn, record.txn) || record.state !== "SM_A") return null
      return rules.acksComplete(record.got, flow.acks) ? "GrantLast" : "Grant"
    case "InvAck": {
      const { state } = record
      if (!rules.answerIsMine(flow.txn, record.txn) || (state !== "IM_AD" && state !== "IM_A" && state !== "SM_A")) return null
      return state !== "IM_AD" && rules.acksComplete(record.got | bit(flow.from), flow.acks) ? "AckLast" : "Ack"
    }
    case "Result":
      return rules.answerIsMine(flow.txn, record.txn) && record.state === "IO_D" ? "Result" : null
    case "Done":
    case "Refused":
      return rules.answerIsMine(flow.txn, record.txn) ? flow.kind : null
    default:
      throw new ImpossibleMessage(`no node hears ${flow.kind}`)
  }
}

function waitsForData(state: NodeState, want: "S" | "E" | "M"): boolean {
  return want === "M" ? state === "IM_AD" || state === "IM_A" : state === "IS_D"
}

interface Happening {
  readonly event: NodeEvent
  readonly flow: Flow | null
  readonly effects: PageEffect[]
}

/** Looks the move up and makes it. False: stalled. */
function apply(context: PageContext, record: PageRecord, happening: Happening): boolean {
  const cell = context.protocol.node[record.state][happening.event]
  if (cell === "stall") return false
  if (cell === "impossible") throw new ImpossibleMessage(`impossible: ${happening.event} in state ${record.state}`)
  if (happening.event === "Done") record.unconfirmed = false
  for (const action of cell.actions) act(context, record, { ...happening, action, next: cell.next })
  record.state = cell.next
  return true
}

type Act = Happening & { readonly action: NodeAction; readonly next: NodeState }

function act(context: PageContext, record: PageRecord, { action, flow, effects }: Act): void {
  switch (action) {
    case "getS":
    case "getM":
    case "operate":
    case "put":
    case "putBytes":
      record.txn = context.protocol.rules.nextTxn(record.txn)
      record.wanted = -1
      record.got = 0
      effects.push(request(context, record, action))
      return
    case "resend":
      return resend(context, record, effects)
    case "noRights":
      effects.push({ kind: "rights", rights: "none" })
      return
    case "readRights":
      effects.push({ kind: "rights", rights: "read" })
      return
    case "writeRights":
      effects.push({ kind: "rights", rights: "write" })
      return
    case "forget":
      record.hasBytes = false
      effects.push({ kind: "forget" })
      return
    case "refused":
      effects.push({ kind: "refused" })
      return
    case "dirty":
      record.version = record.serial
      return
    case "fill":
    case "note":
    case "granted":
    case "result":
      return onAnswer(context, record, { action, flow: present(flow), effects })
    case "data":
    case "writeBack":
    case "clean":
    case "ack":
    case "ackHome":
      return onOrder(context, record, { action, flow: present(flow), effects })
  }
}

function present(flow: Flow | null): Flow {
  assert(flow !== null, "this action answers a message")
  return flow
}

interface Answering {
  readonly flow: Flow
  readonly effects: PageEffect[]
}

function onAnswer(
  { node, epoch }: PageContext,
  record: PageRecord,
  { action, flow, effects }: Answering & { readonly action: "fill" | "note" | "granted" | "result" },
): void {
  assert("serial" in flow, "an answer has the serial of its transaction")
  if (action === "fill") {
    assert(flow.kind === "Data", "bytes come as data")
    record.hasBytes = true
    record.version = flow.version
    record.serial = flow.serial
    effects.push({ kind: "fill" })
    return
  }
  if (action === "note") {
    if ("acks" in flow) record.wanted = flow.acks
    if (flow.kind === "InvAck") record.got |= bit(flow.from)
    return
  }
  record.serial = flow.serial
  record.unconfirmed = true
  effects.push({ kind: "send", to: "home", flow: { kind: "Unblock", epoch, node, txn: record.txn }, bytes: false })
  if (action === "granted") record.pinned = true
  effects.push({ kind: action })
}

function onOrder(
  { node, epoch, value }: PageContext,
  record: PageRecord,
  { action, flow, effects }: Answering & { readonly action: "data" | "writeBack" | "clean" | "ack" | "ackHome" },
): void {
  assert("to" in flow, "this action carries out an order")
  const { serial, txn, acks } = flow
  const send = (to: "home" | "store" | number, answer: Flow, bytes = false): void => {
    effects.push({ kind: "send", to, flow: answer, bytes })
  }
  switch (action) {
    case "data":
      if (!record.hasBytes) return
      return send(
        flow.node,
        { kind: "Data", epoch, serial, node: flow.node, txn, want: flow.kind === "FwdS" ? "S" : "M", acks, version: record.version, value },
        true,
      )
    case "writeBack":
      // Without bytes nothing is missing: they have arrived, or the home would not have let them go.
      if (!record.hasBytes) return send("home", { kind: "RecallAck", epoch, serial, from: node })
      return send("store", { kind: "WriteBack", epoch, serial, from: node, version: record.version, value, put: 0 }, true)
    case "clean":
      return send("home", { kind: "Stored", epoch, serial, from: node })
    case "ack":
      return send(flow.node, { kind: "InvAck", epoch, serial, node: flow.node, txn, from: node, acks })
    case "ackHome":
      return send("home", { kind: "RecallAck", epoch, serial, from: node })
  }
}

function request(
  { node, epoch, value }: PageContext,
  record: PageRecord,
  action: "getS" | "getM" | "operate" | "put" | "putBytes",
): PageEffect {
  const { txn, version, serial } = record
  if (action === "putBytes") {
    return {
      kind: "send",
      to: "store",
      flow: { kind: "WriteBack", epoch, serial, from: node, version, value, put: txn },
      bytes: true,
    }
  }
  if (action === "put") return { kind: "send", to: "home", flow: { kind: "Put", epoch, node, txn, bytes: false }, bytes: false }
  const kind = action === "getS" ? "GetS" : action === "getM" ? "GetM" : "Operate"
  // Asked in a readable state, before the move: S or SM_A.
  const holds = record.state === "S" || record.state === "SM_A"
  return { kind: "send", to: "home", flow: { kind, epoch, node, txn, has: holds }, bytes: false }
}

/** What is under way in this state, once more. */
function resend(context: PageContext, record: PageRecord, effects: PageEffect[]): void {
  const { epoch, node } = context
  switch (record.state) {
    case "IS_D":
      effects.push(request(context, record, "getS"))
      return
    case "IM_AD":
    case "IM_A":
    case "SM_A":
      effects.push(request(context, record, "getM"))
      return
    case "IO_D":
      effects.push(request(context, record, "operate"))
      return
    case "MI_A":
      effects.push(request(context, record, "putBytes"))
      return
    case "SI_A":
    case "EI_A":
    case "II_A":
      effects.push(request(context, record, "put"))
      return
    default:
      if (record.unconfirmed)
        effects.push({ kind: "send", to: "home", flow: { kind: "Unblock", epoch, node, txn: record.txn }, bytes: false })
  }
}

/** What a node tells a home in a new life. Null: nothing that matters. */
export interface HeldPage {
  readonly holds: "owner" | "shared" | "retained"
  readonly version: number
  readonly serial: number
}

export function heldPage(record: PageRecord): HeldPage | null {
  const { state, version, serial, hasBytes } = record
  if (state === "E" || state === "M" || state === "EI_A" || state === "MI_A") return { holds: "owner", version, serial }
  if (state === "S" || state === "SM_A" || state === "SI_A") return { holds: "shared", version, serial }
  return hasBytes ? { holds: "retained", version, serial } : null
}
