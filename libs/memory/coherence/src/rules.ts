/**
 * What the protocol decides beside its tables: which messages count, when an answer is complete, what a frame store takes. One object, so
 * that production, the model checker and the planted bugs run the same code with the same or with a broken rule.
 */
import { HOME_TABLE, type HomeTable } from "./home-table.ts"
import { NODE_TABLE, type NodeTable } from "./node-table.ts"
import type { NodeMask } from "./flow.ts"

export interface Protocol {
  readonly node: NodeTable
  readonly home: HomeTable
  readonly rules: Rules
}

export interface Rules {
  /** A message of another life of the home says nothing. */
  readonly epochCounts: (message: number, own: number) => boolean
  /** An order whose serial is below the one last acted on was overtaken. */
  readonly orderIsStale: (order: number, acted: number) => boolean
  /** An answer belongs to the request under way, or to none. */
  readonly answerIsMine: (answer: number, request: number) => boolean
  /** A request that was served gets the answer that it is over, and is not served again. */
  readonly requestIsOver: (request: number, served: number) => boolean
  /** A node that asks for the page anew has got what it asked for before: the notice of that may be lost or late. */
  readonly confirmsEarlier: (request: number, underWay: number) => boolean
  /** All who must acknowledge have. */
  readonly acksComplete: (got: NodeMask, wanted: NodeMask) => boolean
  /** An order that takes the page away waits for the instruction that it was brought for. */
  readonly pinHolds: (pinned: boolean) => boolean
  /** The frame store takes bytes that are newer than its own. */
  readonly storeTakes: (version: number, stored: number) => boolean
  /** What is given back to a frame that has gone elsewhere is told to the home all the same. */
  readonly passesOnPut: boolean
  /** A repeated operation is answered and not done again. */
  readonly operationIsRepeated: (txn: number, last: number) => boolean
  /** A home in a new life serves nobody before all have told what they hold. */
  readonly rebuildComplete: (reported: NodeMask, all: NodeMask) => boolean
  /** With a reservation lost, SC fails. */
  readonly reservationHolds: (held: boolean) => boolean
  /** Is a page given away with its reservations? */
  readonly breaksReservation: boolean
  /** Number of the transaction that follows. */
  readonly nextTxn: (last: number) => number
  readonly nextSerial: (last: number) => number
  /** The serial that a rebuilt entry goes on from, of all that were reported. */
  readonly rebuiltSerial: (reported: readonly number[]) => number
  /** Who says that it owns a page does so where nobody was granted it later. */
  readonly ownerStands: (serial: number, granted: readonly number[]) => boolean
  /** Is a node's copy newer than what the frame store has? */
  readonly copyIsNewer: (copy: number, stored: number) => boolean
}

export const RULES: Rules = {
  epochCounts: (message, own) => message === own,
  orderIsStale: (order, acted) => order < acted,
  answerIsMine: (answer, request) => answer === request,
  requestIsOver: (request, served) => request <= served,
  confirmsEarlier: (request, underWay) => request > underWay,
  acksComplete: (got, wanted) => (got & wanted) === wanted,
  pinHolds: (pinned) => pinned,
  storeTakes: (version, stored) => version > stored,
  passesOnPut: true,
  operationIsRepeated: (txn, last) => txn <= last,
  rebuildComplete: (reported, all) => reported === all,
  reservationHolds: (held) => held,
  breaksReservation: true,
  nextTxn: (last) => last + 1,
  nextSerial: (last) => last + 1,
  rebuiltSerial: (reported) => Math.max(0, ...reported),
  ownerStands: (serial, granted) => granted.every((other) => other <= serial),
  copyIsNewer: (copy, stored) => copy > stored,
}

export const PROTOCOL: Protocol = { node: NODE_TABLE, home: HOME_TABLE, rules: RULES }
