/** Messages of the contract ↔ flows of the protocol: the same fields, and the name of the page, bytes and operation beside them. */
import { defined } from "@backplane/foundation-base/assert"
import type { Flow } from "./flow.ts"
import type { PageBytes, PageMessage, PageOperation } from "@backplane/memory-contract/coherence-messages"

/** What a message has besides its flow; which of it, its kind says. */
export interface MessageExtras {
  readonly space: string
  readonly page: number
  /** Where the frame of the page lies. */
  readonly home: number
  readonly bytes?: PageBytes | undefined
  readonly operation?: PageOperation | undefined
  readonly result?: string | undefined
  /** Of a frame that is handed over: what the operations found, by node. */
  readonly found?: readonly string[] | undefined
}

/** A message as the protocol sees it; the value is the model's only. What every page that is fetched goes through is written out: one shape each. */
export function flowOf(body: PageMessage): Flow {
  switch (body.kind) {
    case "PageGetS":
      return { kind: "GetS", epoch: body.epoch, node: body.node, txn: body.txn, has: body.has }
    case "PageGetM":
      return { kind: "GetM", epoch: body.epoch, node: body.node, txn: body.txn, has: body.has }
    case "PageUnblock":
      return { kind: "Unblock", epoch: body.epoch, node: body.node, txn: body.txn }
    case "PageDone":
      return { kind: "Done", epoch: body.epoch, node: body.node, txn: body.txn }
    case "PageFetch": {
      const { epoch, serial, node, txn, want, acks } = body
      return { kind: "Fetch", epoch, serial, node, txn, want, acks }
    }
    case "PageData": {
      const { epoch, serial, node, txn, want, acks, version, home } = body
      return { kind: "Data", home, epoch, serial, node, txn, want, acks, version, value: 0 }
    }
    default: {
      const kind = body.kind.slice("Page".length) as Flow["kind"]
      // Fields that the protocol does not know do it no harm.
      return { ...body, kind, value: 0 } as unknown as Flow
    }
  }
}

export function pageMessage(flow: Flow, { space, page, home, bytes, operation, result, found }: MessageExtras): PageMessage {
  const common = { space, page }
  switch (flow.kind) {
    case "GetS":
      return { kind: "PageGetS", space, page, epoch: flow.epoch, node: flow.node, txn: flow.txn, has: flow.has }
    case "GetM":
      return { kind: "PageGetM", space, page, epoch: flow.epoch, node: flow.node, txn: flow.txn, has: flow.has }
    case "Operate":
      return { ...flow, ...common, kind: "PageOperate", operation: defined(operation, "an operation is asked for") }
    case "Put":
      return { ...flow, ...common, kind: "PagePut" }
    case "Fetch": {
      const { epoch, serial, node, txn, want, acks } = flow
      return { kind: "PageFetch", space, page, epoch, serial, node, txn, want, acks }
    }
    case "OperateAtHome":
      return { ...flow, ...common, kind: "PageOperateAtHome", operation: defined(operation, "an operation is passed on") }
    case "FwdS":
    case "FwdM":
    case "Inv":
    case "Recall":
    case "Flush":
    case "Released":
      return { ...flow, ...common, kind: `Page${flow.kind}`, home }
    case "Data": {
      const { epoch, serial, node, txn, want, acks, version } = flow
      return { kind: "PageData", space, page, epoch, serial, node, txn, want, acks, version, home, bytes: defined(bytes, "data has bytes") }
    }
    case "Grant": {
      const { value: _value, ...rest } = flow
      return { ...rest, ...common, kind: "PageGrant", home }
    }
    case "InvAck":
      return { ...flow, ...common, kind: "PageInvAck" }
    case "WriteBack": {
      const { value: _value, ...rest } = flow
      return { ...rest, ...common, kind: "PageWriteBack", bytes: defined(bytes, "a write-back has bytes") }
    }
    case "Stored":
    case "RecallAck":
      return { ...flow, ...common, kind: `Page${flow.kind}` }
    case "Result": {
      const { value: _value, ...rest } = flow
      return { ...rest, ...common, kind: "PageResult", value: defined(result, "an operation has a result") }
    }
    case "Unblock":
      return { kind: "PageUnblock", space, page, epoch: flow.epoch, node: flow.node, txn: flow.txn }
    case "Done":
      return { kind: "PageDone", space, page, epoch: flow.epoch, node: flow.node, txn: flow.txn }
    case "HandOver":
      return { ...flow, ...common, kind: "PageHandOver" }
    case "Moved":
      return { ...flow, ...common, kind: "PageMoved" }
    case "FrameFree":
      return { ...flow, ...common, kind: "PageFrameFree" }
    case "Frame": {
      const { value: _value, operations: done, ...rest } = flow
      const operations = done.map(({ txn }, node) => ({ txn, value: found?.[node] ?? "0x0" }))
      return { ...rest, ...common, kind: "PageFrame", operations, bytes: defined(bytes, "a frame has bytes") }
    }
    case "Move":
    case "Refused":
      throw new Error(`nobody says ${flow.kind} as a flow`)
  }
}
