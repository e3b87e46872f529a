/**
 * What the coherence protocol says, without bytes and without names of machines: the messages of one page between its home, its
 * frame store and the nodes. The contract's messages (memory/contract) are these plus the page's name, and bytes where bytes travel.
 *
 * Every message has `epoch` (life of the home) and, from the home on, `serial` (number of the home's transaction for this page, only
 * grows). A request has (`node`, `txn`); `txn` only grows for one page of one node.
 */

/** A set of nodes as bits. */
export type NodeMask = number

/** Masks are 32-bit integers without a sign. */
export const COHERENT_NODES_MAX = 31

/** What the requester gets: a readable copy, the only copy, or the only copy in order to write. */
export type Want = "S" | "E" | "M"

/** Asks the home. `has`: the requester holds a readable copy now. */
export interface GetFlow {
  readonly kind: "GetS" | "GetM" | "Operate"
  readonly epoch: number
  readonly node: number
  readonly txn: number
  readonly has: boolean
}

/** Gives the page back. `bytes`: it went through the frame store, which has the bytes now. */
export interface PutFlow {
  readonly kind: "Put"
  readonly epoch: number
  readonly node: number
  readonly txn: number
  readonly bytes: boolean
}

/** Home → frame store: serve the requester from the frame. */
export interface FetchFlow {
  readonly kind: "Fetch" | "OperateAtHome"
  readonly epoch: number
  readonly serial: number
  readonly node: number
  readonly txn: number
  readonly want: Want
  /** Who acknowledges to the requester. */
  readonly acks: NodeMask
}

/** Home → a node that holds the page. `node` and `txn` are the requester's. */
export interface HomeOrderFlow {
  readonly kind: "FwdS" | "FwdM" | "Inv" | "Recall" | "Flush" | "Released"
  /** Where the frame of the page lies; the home of the directory says so to whom it writes. */
  readonly home?: number
  readonly epoch: number
  readonly serial: number
  readonly to: number
  readonly node: number
  readonly txn: number
  readonly acks: NodeMask
}

/** Bytes, or for `Grant` the leave to use one's own, to the requester. */
export interface DataFlow {
  readonly kind: "Data" | "Grant"
  readonly home?: number
  readonly epoch: number
  readonly serial: number
  readonly node: number
  readonly txn: number
  readonly want: Want
  readonly acks: NodeMask
  /** Serial of the last exclusive grant whose writes are in the bytes. */
  readonly version: number
  /** In the model only: what the bytes are. */
  readonly value: number
}

/** A sharer → the requester: nothing of the page is left here. `acks` repeats who else must say so. */
export interface AckFlow {
  readonly kind: "InvAck"
  readonly epoch: number
  readonly serial: number
  readonly node: number
  readonly txn: number
  readonly from: number
  readonly acks: NodeMask
}

/** Bytes → frame store. With `put`, it is an eviction, which the store passes on to the home. */
export interface WriteBackFlow {
  readonly kind: "WriteBack"
  readonly epoch: number
  readonly serial: number
  readonly from: number
  readonly version: number
  readonly value: number
  /** The number of the `Put` this belongs to, or 0. */
  readonly put: number
}

/** → home: the order of this serial is carried out at `from` (`Stored`: the frame store has the bytes, or they were clean). */
export interface StoredFlow {
  readonly kind: "Stored" | "RecallAck"
  readonly epoch: number
  readonly serial: number
  readonly from: number
}

/** What the operation found, frame store → requester. */
export interface ResultFlow {
  readonly kind: "Result"
  readonly epoch: number
  readonly serial: number
  readonly node: number
  readonly txn: number
  readonly value: number
}

/** Requester → home: it has what it asked for. Home → requester: the request is over, ask no more (`Refused`: and not served). */
export interface EndFlow {
  readonly kind: "Unblock" | "Done" | "Refused"
  readonly epoch: number
  readonly node: number
  readonly txn: number
}

/** The home to itself: the frame of the page goes to this node, when nobody is served. */
export interface MoveFlow {
  readonly kind: "Move"
  readonly epoch: number
  readonly node: number
  /** 0: of no request. */
  readonly txn: number
}

/** Home → frame store: hand the frame over to that node. */
export interface HandOverFlow {
  readonly kind: "HandOver"
  readonly epoch: number
  readonly serial: number
  readonly node: number
}

/** Frame store → the node where the frame will lie: bytes, and the operations that were done in it. */
export interface FrameFlow {
  readonly kind: "Frame"
  readonly epoch: number
  readonly serial: number
  readonly node: number
  readonly version: number
  readonly value: number
  readonly operations: readonly StoredOperation[]
}

/** The last operation that was done for a node, and what it found. */
export interface StoredOperation {
  readonly txn: number
  readonly result: number
}

/** New frame store → home: the frame lies here. */
export interface MovedFlow {
  readonly kind: "Moved"
  readonly epoch: number
  readonly serial: number
  readonly from: number
}

/** Home → former frame store: the frame lies elsewhere; what comes for it from before then counts no more. */
export interface FrameFreeFlow {
  readonly kind: "FrameFree"
  readonly epoch: number
  readonly serial: number
}

export type Flow =
  | FrameFreeFlow
  | MoveFlow
  | HandOverFlow
  | FrameFlow
  | MovedFlow
  | GetFlow
  | PutFlow
  | FetchFlow
  | HomeOrderFlow
  | DataFlow
  | AckFlow
  | WriteBackFlow
  | StoredFlow
  | ResultFlow
  | EndFlow

export function bit(node: number): NodeMask {
  return 1 << node
}

export function has(mask: NodeMask, node: number): boolean {
  return (mask & bit(node)) !== 0
}

/** The nodes of a mask, ascending. */
export function nodesOf(mask: NodeMask): readonly number[] {
  const nodes: number[] = []
  for (let node = 0; mask >>> node !== 0; node++) if (has(mask, node)) nodes.push(node)
  return nodes
}
