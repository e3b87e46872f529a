/**
 * The node's side of the protocol as one table: for each state of a page at a node and each event, the next state and what is done.
 *
 * MESI by page. `R` (retained): given away, no rights, but the bytes are kept until the home says that they have arrived. A state with
 * an underscore waits: `IM_AD` goes from I to M and waits for acks and data. The order of actions is the order in which they are done:
 * an acknowledgement comes after `noRights`, because the invalidation *is* the TLB shootdown.
 * Not here: which event a message is (page-record.ts), bytes and TLBs (whoever carries the actions out).
 */

export type NodeState = "I" | "S" | "E" | "M" | "R" | "IS_D" | "IM_AD" | "IM_A" | "SM_A" | "IO_D" | "SI_A" | "EI_A" | "MI_A" | "II_A"

/** `…Again`: the order of a serial that was carried out before. `…Last`: no acknowledgement is missing after it. */
export type NodeEvent =
  | "Load"
  | "Store"
  | "Operate"
  | "Evict"
  | "Timeout"
  | "NewHome"
  | "FwdS"
  | "FwdSAgain"
  | "FwdM"
  | "FwdMAgain"
  | "Inv"
  | "InvAgain"
  | "Recall"
  | "RecallAgain"
  | "Flush"
  | "Released"
  | "DataS"
  | "DataE"
  | "Data"
  | "DataLast"
  | "Grant"
  | "GrantLast"
  | "Ack"
  | "AckLast"
  | "Result"
  | "Done"
  | "Refused"

export type NodeAction =
  /** Requests to the home; all but `resend` begin a new transaction. */
  | "getS"
  | "getM"
  | "operate"
  | "put"
  | "putBytes"
  | "resend"
  /** Bytes to the requester of the order; bytes to the frame store; "they were clean" to the home. */
  | "data"
  | "writeBack"
  | "clean"
  /** Acknowledgement to the requester; to the home. */
  | "ack"
  | "ackHome"
  /** What the CPUs of the node may do from now on. On return no TLB, shadow entry or translated code says more. */
  | "noRights"
  | "readRights"
  | "writeRights"
  /** Takes the bytes of the message; lets the own ones go. */
  | "fill"
  | "forget"
  /** Notes who has acknowledged and who must. */
  | "note"
  /** The request is served: pins the page until the waiting instruction has retired, and tells the home. */
  | "granted"
  /** The bytes will differ from the frame store's from now on. */
  | "dirty"
  /** Hands the result of an operation to the CPU, and tells the home. */
  | "result"
  /** Tells the CPU that it does not get the page. */
  | "refused"

export interface NodeMove {
  readonly next: NodeState
  readonly actions: readonly NodeAction[]
}

export type NodeCell = NodeMove | "stall" | "impossible"
export type NodeTable = Readonly<Record<NodeState, Readonly<Record<NodeEvent, NodeCell>>>>

const to = (next: NodeState, ...actions: readonly NodeAction[]): NodeMove => ({ next, actions })

/** Events that no correct run shows, unless a state says otherwise. Messages of another transaction never get here. */
const NEVER = {
  FwdS: "impossible",
  FwdM: "impossible",
  Flush: "impossible",
  DataS: "impossible",
  DataE: "impossible",
  Data: "impossible",
  DataLast: "impossible",
  Grant: "impossible",
  GrantLast: "impossible",
  Ack: "impossible",
  AckLast: "impossible",
  Result: "impossible",
} as const satisfies Partial<Record<NodeEvent, NodeCell>>

/** While a request is under way the CPU waits. */
const WAITING = { Load: "stall", Store: "stall", Operate: "stall", Evict: "stall" } as const satisfies Partial<Record<NodeEvent, NodeCell>>

/** What is left of an order when there is nothing of the page here: say so again, or nothing where the answer has arrived for sure. */
function without(
  state: NodeState,
): Record<"Inv" | "InvAgain" | "Recall" | "RecallAgain" | "FwdSAgain" | "FwdMAgain" | "Released", NodeCell> {
  return {
    Inv: to(state, "ack"),
    InvAgain: to(state, "ack"),
    Recall: to(state, "ackHome"),
    RecallAgain: to(state, "ackHome"),
    FwdSAgain: to(state),
    FwdMAgain: to(state),
    Released: to(state),
  }
}

/** The same while bytes may be retained: orders that moved them are answered again, new ones find nothing readable. */
function retaining(state: NodeState): Record<keyof ReturnType<typeof without> | "Flush", NodeCell> {
  return {
    Inv: to(state, "ack"),
    InvAgain: to(state, "ack"),
    Recall: to(state, "ackHome"),
    RecallAgain: to(state, "writeBack"),
    FwdSAgain: to(state, "data", "writeBack"),
    FwdMAgain: to(state, "data"),
    Flush: to(state, "writeBack"),
    Released: to(state, "forget"),
  }
}

export const NODE_TABLE: NodeTable = {
  I: {
    ...NEVER,
    ...without("I"),
    Load: to("IS_D", "getS"),
    Store: to("IM_AD", "getM"),
    Operate: to("IO_D", "operate"),
    Evict: to("I"),
    Timeout: to("I", "resend"),
    NewHome: to("I"),
    // A late copy: it was carried out before the page was given back.
    Flush: to("I"),
    Done: to("I"),
    Refused: to("I"),
  },
  S: {
    ...NEVER,
    Load: to("S", "readRights"),
    Store: to("SM_A", "getM"),
    Operate: to("SM_A", "getM"),
    Evict: to("SI_A", "noRights", "put"),
    Timeout: to("S", "resend"),
    NewHome: to("S"),
    FwdSAgain: to("S", "data", "writeBack"),
    FwdMAgain: "impossible",
    Inv: to("I", "noRights", "forget", "ack"),
    InvAgain: "impossible",
    Recall: to("I", "noRights", "forget", "ackHome"),
    RecallAgain: "impossible",
    Flush: to("S", "writeBack"),
    Released: to("S"),
    Done: to("S"),
    Refused: to("S"),
  },
  E: {
    ...NEVER,
    Load: to("E", "readRights"),
    Store: to("M", "dirty", "writeRights"),
    Operate: to("M", "dirty", "writeRights"),
    Evict: to("EI_A", "noRights", "put"),
    Timeout: to("E", "resend"),
    NewHome: to("E"),
    FwdS: to("S", "readRights", "data", "clean"),
    FwdSAgain: "impossible",
    FwdM: to("R", "noRights", "data"),
    FwdMAgain: "impossible",
    Inv: "impossible",
    InvAgain: "impossible",
    Recall: to("I", "noRights", "forget", "ackHome"),
    RecallAgain: "impossible",
    Released: to("E"),
    Done: to("E"),
    Refused: to("E"),
  },
  M: {
    ...NEVER,
    Load: to("M", "writeRights"),
    Store: to("M", "writeRights"),
    Operate: to("M", "writeRights"),
    Evict: to("MI_A", "noRights", "putBytes"),
    Timeout: to("M", "resend"),
    NewHome: to("M"),
    FwdS: to("S", "readRights", "data", "writeBack"),
    FwdSAgain: "impossible",
    FwdM: to("R", "noRights", "data"),
    FwdMAgain: "impossible",
    Inv: "impossible",
    InvAgain: "impossible",
    Recall: to("R", "noRights", "writeBack"),
    RecallAgain: "impossible",
    Released: to("M"),
    Done: to("M"),
    Refused: to("M"),
  },
  R: {
    ...NEVER,
    ...retaining("R"),
    Released: to("I", "forget"),
    Load: to("IS_D", "getS"),
    Store: to("IM_AD", "getM"),
    Operate: to("IO_D", "operate"),
    Evict: to("II_A", "put"),
    Timeout: to("R"),
    NewHome: to("R"),
    Done: to("R"),
    Refused: to("R"),
  },
  IS_D: {
    ...NEVER,
    ...WAITING,
    ...retaining("IS_D"),
    Timeout: to("IS_D", "resend"),
    NewHome: to("IS_D"),
    DataS: to("S", "fill", "readRights", "granted"),
    DataE: to("E", "fill", "readRights", "granted"),
    Done: to("IS_D"),
    Refused: to("I", "noRights", "forget", "refused"),
  },
  IM_AD: {
    ...NEVER,
    ...WAITING,
    ...retaining("IM_AD"),
    Timeout: to("IM_AD", "resend"),
    NewHome: to("IM_AD"),
    Data: to("IM_A", "fill", "note"),
    DataLast: to("M", "fill", "granted", "dirty", "writeRights"),
    Ack: to("IM_AD", "note"),
    AckLast: "impossible",
    Done: to("IM_AD"),
    Refused: to("I", "noRights", "forget", "refused"),
  },
  IM_A: {
    ...NEVER,
    ...WAITING,
    ...without("IM_A"),
    Timeout: to("IM_A", "resend"),
    // The bytes stay: they may be the only fresh ones that are left.
    NewHome: to("IM_AD"),
    Data: to("IM_A"),
    DataLast: "impossible",
    Ack: to("IM_A", "note"),
    AckLast: to("M", "granted", "dirty", "writeRights"),
    Done: to("IM_A"),
    Refused: to("IM_A"),
  },
  SM_A: {
    ...NEVER,
    ...WAITING,
    Load: to("SM_A", "readRights"),
    Timeout: to("SM_A", "resend"),
    NewHome: to("SM_A"),
    FwdSAgain: to("SM_A", "data", "writeBack"),
    FwdMAgain: "impossible",
    Inv: to("IM_AD", "noRights", "forget", "ack"),
    InvAgain: "impossible",
    Recall: to("IM_AD", "noRights", "forget", "ackHome"),
    RecallAgain: "impossible",
    Flush: to("SM_A", "writeBack"),
    Released: to("SM_A"),
    Grant: to("SM_A", "note"),
    GrantLast: to("M", "granted", "dirty", "writeRights"),
    Ack: to("SM_A", "note"),
    AckLast: to("M", "granted", "dirty", "writeRights"),
    Done: to("SM_A"),
    Refused: to("S", "refused"),
  },
  IO_D: {
    ...NEVER,
    ...WAITING,
    ...retaining("IO_D"),
    Timeout: to("IO_D", "resend"),
    NewHome: to("IO_D"),
    Result: to("I", "forget", "result"),
    Done: to("IO_D"),
    Refused: to("I", "noRights", "forget", "refused"),
  },
  SI_A: {
    ...NEVER,
    ...WAITING,
    Timeout: to("SI_A", "resend"),
    NewHome: to("SI_A"),
    FwdSAgain: to("SI_A", "data", "writeBack"),
    FwdMAgain: "impossible",
    Inv: to("II_A", "forget", "ack"),
    InvAgain: "impossible",
    Recall: to("II_A", "forget", "ackHome"),
    RecallAgain: "impossible",
    Flush: to("SI_A", "writeBack"),
    Released: to("SI_A"),
    Done: to("I", "forget"),
    Refused: to("SI_A"),
  },
  EI_A: {
    ...NEVER,
    ...WAITING,
    Timeout: to("EI_A", "resend"),
    NewHome: to("EI_A"),
    FwdS: to("SI_A", "data", "clean"),
    FwdSAgain: "impossible",
    FwdM: to("II_A", "data"),
    FwdMAgain: "impossible",
    Inv: "impossible",
    InvAgain: "impossible",
    Recall: to("II_A", "forget", "ackHome"),
    RecallAgain: "impossible",
    Released: to("EI_A"),
    Done: to("I", "forget"),
    Refused: to("EI_A"),
  },
  MI_A: {
    ...NEVER,
    ...WAITING,
    Timeout: to("MI_A", "resend"),
    NewHome: to("MI_A"),
    FwdS: to("SI_A", "data", "writeBack"),
    FwdSAgain: "impossible",
    FwdM: to("II_A", "data"),
    FwdMAgain: "impossible",
    Inv: "impossible",
    InvAgain: "impossible",
    Recall: to("II_A", "writeBack"),
    RecallAgain: "impossible",
    Released: to("MI_A"),
    Done: to("I", "forget"),
    Refused: to("MI_A"),
  },
  II_A: {
    ...NEVER,
    ...WAITING,
    ...retaining("II_A"),
    Timeout: to("II_A", "resend"),
    NewHome: to("II_A"),
    Done: to("I", "forget"),
    Refused: to("II_A"),
  },
}
