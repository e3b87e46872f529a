/**
 * The frame of one page at the node where it lies: serves it, takes newer bytes, does operations for others. Pure, without the bytes.
 *
 * It has no state of its own but two numbers, so that it can answer anything twice. Not here: the rights of that node's own CPUs.
 */
import { ImpossibleMessage } from "./impossible.ts"
import type { Flow, StoredOperation, Want } from "./flow.ts"
import type { Protocol } from "./rules.ts"

export interface FrameStore {
  /** Serial of the last exclusive grant or operation whose writes are in the frame. */
  version: number
  /** By node: the last operation that was done for it, and what it found. */
  operations: StoredOperation[]
  /** Serial with which the frame came to lie here; 0: here from the first. The highest of a page is where it lies. */
  since: number
  /** The frame lies elsewhere: only what is younger than `since` brings it back. */
  dropped: boolean
}

export function newFrameStore(nodes: number): FrameStore {
  return { version: 0, since: 0, dropped: false, operations: new Array<StoredOperation>(nodes).fill(NO_OPERATION) }
}

/** Of a node for which none was done; nobody changes one, so one does for all. */
const NO_OPERATION: StoredOperation = { txn: 0, result: 0 }

export interface StoreContext {
  readonly protocol: Protocol
  readonly epoch: number
  /** In the model: what the frame holds. */
  readonly value: number
  /** Does the operation of this request in the frame; what it found. Called once for each. */
  readonly operate: (node: number) => number
}

export type StoreEffect =
  /** Take the bytes of the message at hand. */
  { readonly kind: "take" } | { readonly kind: "send"; readonly to: "home" | number; readonly flow: Flow; readonly bytes: boolean }

export function hearStore(context: StoreContext, store: FrameStore, flow: Flow): readonly StoreEffect[] {
  const { epoch, protocol, value } = context
  if (!protocol.rules.epochCounts(flow.epoch, epoch)) return []
  if (store.dropped && !comeBack(store, flow)) return elsewhere(context, flow)
  switch (flow.kind) {
    case "Fetch": {
      const { serial, node, txn, want, acks } = flow
      return [
        {
          kind: "send",
          to: node,
          flow: { kind: "Data", epoch, serial, node, txn, want, acks, version: store.version, value },
          bytes: true,
        },
      ]
    }
    case "WriteBack":
      return writeBack(context, store, flow)
    case "OperateAtHome":
      return [operate(context, store, flow)]
    case "HandOver": {
      const { serial, node } = flow
      const { version, operations } = store
      const frame: Flow = { kind: "Frame", epoch, serial, node, version, value, operations: operations.map((each) => ({ ...each })) }
      return [{ kind: "send", to: node, flow: frame, bytes: true }]
    }
    case "Frame":
      return takeFrame(context, store, flow)
    case "FrameFree":
      if (flow.serial <= store.since) return []
      store.since = flow.serial
      store.dropped = true
      return []
    default:
      throw new ImpossibleMessage(`no frame store hears ${flow.kind}`)
  }
}

function writeBack(
  { protocol, epoch }: StoreContext,
  store: FrameStore,
  flow: Extract<Flow, { kind: "WriteBack" }>,
): readonly StoreEffect[] {
  const effects: StoreEffect[] = []
  if (protocol.rules.storeTakes(flow.version, store.version)) {
    store.version = flow.version
    effects.push({ kind: "take" })
  }
  const { serial, from, put } = flow
  const answer: Flow = put > 0 ? { kind: "Put", epoch, node: from, txn: put, bytes: true } : { kind: "Stored", epoch, serial, from }
  effects.push({ kind: "send", to: "home", flow: answer, bytes: false })
  return effects
}

/**
 * The frame lies elsewhere by now. It went when nobody owned the page, so the home has heard of whatever was given back here before; the giver may
 * not know that it has, and asks here again and again.
 */
function elsewhere({ protocol, epoch }: StoreContext, flow: Flow): readonly StoreEffect[] {
  if (flow.kind !== "WriteBack" || flow.put === 0 || !protocol.rules.passesOnPut) return []
  return [{ kind: "send", to: "home", flow: { kind: "Put", epoch, node: flow.from, txn: flow.put, bytes: false }, bytes: false }]
}

/** A frame that begins its life here (again) is younger than one that was given up elsewhere. */
function comeBack(store: FrameStore, flow: Flow): boolean {
  if (!("serial" in flow) || flow.kind === "FrameFree" || flow.serial <= store.since) return false
  const since = flow.kind === "Frame" ? store.since : flow.serial - 1
  Object.assign(store, newFrameStore(store.operations.length), { since })
  return true
}

/** A node has none of the page until something comes for it. */
export function absentFrameStore(nodes: number): FrameStore {
  return { ...newFrameStore(nodes), dropped: true }
}

/** The frame of the page lies here from now on. Told again, it is only said again. */
function takeFrame({ epoch }: StoreContext, store: FrameStore, flow: Extract<Flow, { kind: "Frame" }>): readonly StoreEffect[] {
  const { serial, version, operations, node } = flow
  if (serial < store.since) return []
  const effects: StoreEffect[] = []
  if (serial > store.since) {
    store.since = serial
    store.version = version
    store.operations = operations.map((each) => ({ ...each }))
    effects.push({ kind: "take" })
  }
  effects.push({ kind: "send", to: "home", flow: { kind: "Moved", epoch, serial, from: node }, bytes: false })
  return effects
}

function operate(
  context: StoreContext,
  store: FrameStore,
  { serial, node, txn }: { readonly serial: number; readonly node: number; readonly txn: number; readonly want: Want },
): StoreEffect {
  const last = store.operations[node] ?? { txn: 0, result: 0 }
  if (!context.protocol.rules.operationIsRepeated(txn, last.txn)) {
    store.operations[node] = { txn, result: context.operate(node) }
    store.version = serial
  }
  const { result } = store.operations[node] ?? last
  return { kind: "send", to: node, flow: { kind: "Result", epoch: context.epoch, serial, node, txn, value: result }, bytes: false }
}
