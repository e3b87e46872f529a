/**
 * The home's side of the protocol as one table: for each state of a page's directory entry and each event, the next state and what is done.
 *
 * A blocking home: one transaction per page at a time. Settled states: `U` the frame store has the only copy, `S` it and the sharers,
 * `X` one owner, `D` the freshest bytes are at a node and nobody owns them (after a rebuild only). Blocked states: `B_S` and `B_M` serve
 * a request, `B_R` recalls all copies, `B_O` has an operation done at the frame store, `B_F` has the freshest bytes written there, `B_W`
 * recalls all copies before the frame goes to another node, `B_V` has it handed over.
 * Not here: which event a message is (home-entry.ts), where frames lie.
 */

export type HomeState = "U" | "S" | "X" | "D" | "B_S" | "B_M" | "B_R" | "B_O" | "B_F" | "B_W" | "B_V"

/** `Upgrade`: a GetM of a sharer that still has its copy. `Again`: the request of the transaction under way, once more. */
export type HomeEvent =
  | "GetS"
  | "GetM"
  | "Upgrade"
  | "Operate"
  | "PutOwner"
  | "PutSharer"
  | "PutStale"
  | "Again"
  | "Unblock"
  | "UnblockLast"
  | "Stored"
  | "StoredLast"
  | "Acked"
  | "AckedLast"
  | "Move"
  | "Moved"

export type HomeAction =
  /** The request becomes the transaction under way, with a new serial; or waits its turn. */
  | "begin"
  | "queue"
  /** A transaction of the home's own begins: the freshest bytes are written to the frame before the request is served. */
  | "beginFlush"
  /** Orders: of the frame store; of the owner; of the sharers; of all that hold the page; of the node with the freshest bytes. */
  | "fetchE"
  | "fetchS"
  | "fetchM"
  | "operate"
  | "forwardS"
  | "forwardM"
  | "invalidate"
  | "grant"
  | "recall"
  | "flush"
  | "handOver"
  /** Everything that the transaction under way still misses is ordered again. */
  | "repeat"
  /** Notes the answer. */
  | "note"
  /** Who holds the page afterwards. */
  | "addSharer"
  | "setOwner"
  | "removeSharer"
  | "clearHolders"
  | "storeFresh"
  /** Tells the requester (and who retains bytes for it) that the request is over. */
  | "done"
  | "release"
  /** From now on the frame lies where it was handed over to. */
  | "moved"

/** `settled`: U, S, X or D, as the holders say. */
export interface HomeMove {
  readonly next: HomeState | "settled"
  readonly actions: readonly HomeAction[]
}

export type HomeCell = HomeMove | "stall" | "impossible"
export type HomeTable = Readonly<Record<HomeState, Readonly<Record<HomeEvent, HomeCell>>>>

const to = (next: HomeState | "settled", ...actions: readonly HomeAction[]): HomeMove => ({ next, actions })

/** Answers to a transaction: none is under way. Late ones never get here. */
const NONE_UNDER_WAY = {
  Again: "impossible",
  Unblock: "impossible",
  UnblockLast: "impossible",
  Stored: "impossible",
  StoredLast: "impossible",
  Acked: "impossible",
  AckedLast: "impossible",
  Moved: "impossible",
} as const satisfies Partial<Record<HomeEvent, HomeCell>>

/** Requests of others wait in the queue of the page: at most one of each node. */
const BLOCKED = {
  GetS: "stall",
  GetM: "stall",
  Upgrade: "stall",
  Operate: "stall",
  PutOwner: "stall",
  PutSharer: "stall",
  PutStale: "stall",
} as const satisfies Partial<Record<HomeEvent, HomeCell>>

const NOTHING_ELSE = {
  Unblock: "impossible",
  UnblockLast: "impossible",
  Stored: "impossible",
  StoredLast: "impossible",
  Acked: "impossible",
  AckedLast: "impossible",
  Moved: "impossible",
} as const satisfies Partial<Record<HomeEvent, HomeCell>>

export const HOME_TABLE: HomeTable = {
  U: {
    ...NONE_UNDER_WAY,
    GetS: to("B_S", "begin", "fetchE"),
    GetM: to("B_M", "begin", "fetchM"),
    Upgrade: "impossible",
    Operate: to("B_O", "begin", "operate"),
    PutOwner: "impossible",
    PutSharer: "impossible",
    PutStale: to("U", "done"),
    Move: to("B_V", "begin", "handOver"),
  },
  S: {
    ...NONE_UNDER_WAY,
    GetS: to("B_S", "begin", "fetchS"),
    GetM: to("B_M", "begin", "invalidate", "fetchM"),
    Upgrade: to("B_M", "begin", "invalidate", "grant"),
    Operate: to("B_R", "begin", "recall"),
    PutOwner: "impossible",
    PutSharer: to("settled", "removeSharer", "done"),
    PutStale: to("S", "done"),
    Move: to("B_W", "begin", "recall"),
  },
  X: {
    ...NONE_UNDER_WAY,
    GetS: to("B_S", "begin", "forwardS"),
    GetM: to("B_M", "begin", "forwardM"),
    Upgrade: "impossible",
    Operate: to("B_R", "begin", "recall"),
    PutOwner: to("settled", "clearHolders", "done"),
    PutSharer: "impossible",
    PutStale: to("X", "done"),
    Move: to("B_W", "begin", "recall"),
  },
  D: {
    ...NONE_UNDER_WAY,
    GetS: to("B_F", "beginFlush", "flush", "queue"),
    GetM: to("B_F", "beginFlush", "flush", "queue"),
    Upgrade: to("B_F", "beginFlush", "flush", "queue"),
    Operate: to("B_F", "beginFlush", "flush", "queue"),
    PutOwner: "impossible",
    PutSharer: to("B_F", "beginFlush", "flush", "queue"),
    PutStale: to("B_F", "beginFlush", "flush", "queue"),
    Move: to("D"),
  },
  B_S: {
    ...BLOCKED,
    ...NOTHING_ELSE,
    Again: to("B_S", "repeat"),
    Move: to("B_S"),
    Unblock: to("B_S", "note", "repeat"),
    UnblockLast: to("settled", "addSharer", "done"),
    Stored: to("B_S", "note"),
    StoredLast: to("settled", "addSharer", "done"),
  },
  B_M: {
    ...BLOCKED,
    ...NOTHING_ELSE,
    Again: to("B_M", "repeat"),
    Move: to("B_M"),
    UnblockLast: to("settled", "release", "setOwner", "done"),
  },
  B_R: {
    ...BLOCKED,
    ...NOTHING_ELSE,
    Again: to("B_R", "repeat"),
    Move: to("B_R"),
    Acked: to("B_R", "note"),
    AckedLast: to("B_O", "release", "clearHolders", "operate"),
    Stored: to("B_R", "note"),
    StoredLast: to("B_O", "release", "clearHolders", "operate"),
  },
  B_O: {
    ...BLOCKED,
    ...NOTHING_ELSE,
    Again: to("B_O", "repeat"),
    Move: to("B_O"),
    UnblockLast: to("settled", "done"),
  },
  B_F: {
    ...BLOCKED,
    ...NOTHING_ELSE,
    Again: to("B_F", "repeat"),
    Move: to("B_F"),
    StoredLast: to("settled", "storeFresh"),
  },
  B_W: {
    ...BLOCKED,
    ...NOTHING_ELSE,
    Again: to("B_W", "repeat"),
    Move: to("B_W"),
    Acked: to("B_W", "note"),
    AckedLast: to("B_V", "release", "clearHolders", "handOver"),
    Stored: to("B_W", "note"),
    StoredLast: to("B_V", "release", "clearHolders", "handOver"),
  },
  B_V: {
    ...BLOCKED,
    ...NOTHING_ELSE,
    Again: to("B_V", "repeat"),
    Move: to("B_V"),
    Moved: to("settled", "moved"),
  },
}
