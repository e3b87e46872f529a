/**
 * Coherence of pages that several nodes share: what nodes, frame stores and homes say to each other. The flows of memory/coherence with the
 * name of the page, and with bytes where bytes travel. Who says what when: README.md of memory/coherence.
 *
 * `space` names the memory that the page belongs to (a guest's), `page` counts from the beginning of its RAM. `epoch` is the life of the
 * page's home, `serial` the number of the home's transaction for the page, (`node`, `txn`) the request that a message belongs to.
 */
import { Type, type Static, type TSchema } from "typebox"

const closed = { additionalProperties: false } as const
const Node = Type.Integer({ minimum: 0, maximum: 30 })
const Count = Type.Integer({ minimum: 0 })
const Mask = Type.Integer({ minimum: 0, maximum: 0x7fff_ffff, description: "nodes as bits" })
/** One page: base64 for whoever speaks JSON; a bus of ours carries them raw, and then they are so on both sides. */
export type PageBytes = string | Uint8Array
/** A lower limit near the length would have every code point of a page counted, 35 µs: who takes a page sees whether it is whole. */
const Bytes = Type.Unsafe<PageBytes>(Type.String({ minLength: 1, maxLength: 5464, description: "the 4096 bytes of the page in base64" }))
const Want = Type.Union([Type.Literal("S"), Type.Literal("E"), Type.Literal("M")])

const page = {
  space: Type.String({ minLength: 1, maxLength: 64, description: "whose memory" }),
  page: Type.Integer({ minimum: 0, maximum: 2 ** 30, description: "number of the page in it" }),
  epoch: Count,
}
const request = { ...page, node: Node, txn: Count }
const transaction = { ...request, serial: Count }
const ordered = { ...transaction, to: Node, home: Node, acks: Mask }
const answered = { ...transaction, want: Want, acks: Mask, version: Count, home: Node }

/** What is done at the frame store for a node: an AMO by its name, a load or a store. */
export const PageOperation = Type.Object(
  {
    name: Type.Union([
      Type.Literal("load"), Type.Literal("store"), Type.Literal("swap"), Type.Literal("add"), Type.Literal("xor"), Type.Literal("and"),
      Type.Literal("or"), Type.Literal("min"), Type.Literal("max"), Type.Literal("minu"), Type.Literal("maxu"),
    ]), // prettier-ignore
    offset: Type.Integer({ minimum: 0, maximum: 4095 }),
    width: Type.Union([Type.Literal(1), Type.Literal(2), Type.Literal(4), Type.Literal(8)]),
    operand: Type.String({ pattern: "^0x[0-9a-f]{1,16}$", description: "64 bits, hexadecimal" }),
  },
  closed,
)
export type PageOperation = Static<typeof PageOperation>

const say = <Kind extends string, Fields extends Record<string, TSchema>>(kind: Kind, fields: Fields, description: string) =>
  Type.Object({ kind: Type.Literal(kind), ...fields }, { ...closed, description })

export const PageGetS = say("PageGetS", { ...request, has: Type.Boolean() }, "node → memory controller: a readable copy")
export const PageGetM = say(
  "PageGetM",
  { ...request, has: Type.Boolean() },
  "node → memory controller: the only copy, to write; `has`: I can read it already",
)
export const PageOperate = say(
  "PageOperate",
  { ...request, has: Type.Boolean(), operation: PageOperation },
  "node → memory controller: do this at the frame store; the page stays there",
)
export const PagePut = say(
  "PagePut",
  { ...request, bytes: Type.Boolean() },
  "node (holder or frame store) → memory controller: the holder gives the page back; repeated until done",
)
export const PageFetch = say(
  "PageFetch",
  { ...transaction, want: Want, acks: Mask },
  "memory controller → node (frame store): send the page to this node",
)
export const PageOperateAtHome = say(
  "PageOperateAtHome",
  { ...transaction, want: Want, acks: Mask, operation: PageOperation },
  "memory controller → node (frame store): do this for this node, once",
)
export const PageFwdS = say("PageFwdS", ordered, "memory controller → node (owner): send this node a copy, keep a readable one, write back")
export const PageFwdM = say("PageFwdM", ordered, "memory controller → node (owner): send this node the page; keep the bytes until released")
export const PageInv = say("PageInv", ordered, "memory controller → node (sharer): drop the page from every TLB, acknowledge to this node")
export const PageRecall = say(
  "PageRecall",
  ordered,
  "memory controller → node (holder): give the page back to the frame store, acknowledge to the home",
)
export const PageFlush = say("PageFlush", ordered, "memory controller → node (with the freshest bytes): write them back")
export const PageReleased = say(
  "PageReleased",
  ordered,
  "memory controller → node (former owner): the bytes have arrived, keep them no longer",
)
export const PageData = say("PageData", { ...answered, bytes: Bytes }, "node (owner or frame store) → node (requester): the page")
export const PageGrant = say("PageGrant", answered, "memory controller → node (requester): the copy that you have is the only one")
export const PageInvAck = say(
  "PageInvAck",
  { ...transaction, from: Node, acks: Mask },
  "node (sharer) → node (requester): nothing of the page is left here",
)
export const PageWriteBack = say(
  "PageWriteBack",
  { ...page, serial: Count, from: Node, version: Count, put: Count, bytes: Bytes },
  "node (holder) → node (frame store): the bytes as they are; with `put` it is an eviction, passed on to the home",
)
export const PageStored = say(
  "PageStored",
  { ...page, serial: Count, from: Node },
  "node (frame store or holder) → memory controller: the frame has these bytes",
)
export const PageRecallAck = say(
  "PageRecallAck",
  { ...page, serial: Count, from: Node },
  "node (holder) → memory controller: given back, nothing was changed",
)
export const PageResult = say(
  "PageResult",
  { ...transaction, value: Type.String({ pattern: "^0x[0-9a-f]{1,16}$" }) },
  "node (frame store) → node (requester): what the operation found",
)
export const PageUnblock = say("PageUnblock", request, "node (requester) → memory controller: I have it; repeated until done")
export const PageDone = say("PageDone", request, "memory controller → node (requester): your request is over")
export const PagesDone = say(
  "PagesDone",
  { space: page.space, epoch: Count, node: Node, done: Type.Array(Count, { maxItems: 2048 }) },
  "memory controller → node (requester): your requests are over (page, number of the request; and so on); held back, as nobody waits for it",
)
const Value = Type.String({ pattern: "^0x[0-9a-f]{1,16}$" })
export const PageHandOver = say(
  "PageHandOver",
  { ...page, serial: Count, node: Node },
  "memory controller → node (frame store): the frame of the page goes to this node; hand it over",
)
export const PageFrame = say(
  "PageFrame",
  {
    ...page,
    serial: Count,
    node: Node,
    version: Count,
    bytes: Bytes,
    operations: Type.Array(Type.Object({ txn: Count, value: Value }, closed), {
      maxItems: 31,
      description: "by node: the last that was done",
    }),
  },
  "node (frame store) → node (frame store to be): the page, and the operations that were done in it",
)
export const PageMoved = say(
  "PageMoved",
  { ...page, serial: Count, from: Node },
  "node (new frame store) → memory controller: the frame lies here",
)
export const PageFrameFree = say(
  "PageFrameFree",
  { ...page, serial: Count },
  "memory controller → node (former frame store): the frame lies elsewhere; this one is free",
)
export const PageRefused = say(
  "PageRefused",
  { ...request, cause: Type.Union([Type.Literal("lost"), Type.Literal("no-memory")]), reason: Type.String({ maxLength: 200 }) },
  "memory controller → node (requester): you do not get the page, and why",
)
export const PageBring = say(
  "PageBring",
  page,
  "memory controller → node: fetch a readable copy, it will be wanted there; a hint, of which nothing depends",
)
export const PagesGone = say(
  "PagesGone",
  { epoch: Count },
  "memory controller → node: you were taken for dead, others have gone on; drop all that you hold and store",
)
export const PageFrameAsk = say(
  "PageFrameAsk",
  { ...page, serial: Count },
  "memory controller (page store) → memory controller: I handed this frame over and still have it (since that serial); may it go? Answered with PageFrameFree where it may",
)
const Levels = Type.Array(Count, { maxItems: 12_000 })
export const PageCounts = say(
  "PageCounts",
  { space: page.space, node: Node, epoch: Count, counts: Levels },
  "node → memory controller: pages that this node missed on (page, misses that read, misses that wrote since the space began; and so on); a level, said again when it has changed",
)
export const PagesAsk = say(
  "PagesAsk",
  { epoch: Count, gone: Mask },
  "memory controller → node: I have forgotten all, or nodes are gone; tell me the pages that you hold and store. Repeated until told.",
)
/** Pages in one message that only names them. */
export const PAGE_NUMBERS_MAX = 1024
const PageNumbers = Type.Array(page.page, { maxItems: PAGE_NUMBERS_MAX })
export const PagesSpare = say(
  "PagesSpare",
  { space: page.space, node: Node, epoch: Count, pages: PageNumbers },
  "node → memory controller: the guest does without these pages (balloon); their frames may be given to others. A hint",
)
export const PagesWanted = say(
  "PagesWanted",
  { space: page.space, node: Node, epoch: Count, pages: PageNumbers },
  "node → memory controller: a CPU here goes through memory and comes to these pages next; which can be had without harm to others? A hint",
)
export const PagesBring = say(
  "PagesBring",
  { space: page.space, epoch: Count, pages: PageNumbers },
  "memory controller → node: of the pages that you come to next these can be had: ask for a readable copy; a hint, of which nothing depends",
)
export const PagesBalloon = say(
  "PagesBalloon",
  { space: page.space, epoch: Count, pages: Count },
  "memory controller → node: the guest had better do without so many pages in all; a level, said again while memory is short",
)
export const PagesHashAsk = say(
  "PagesHashAsk",
  { space: page.space, epoch: Count, pages: PageNumbers },
  "memory controller → node: what is in these pages? Equal ones could share a frame",
)
export const PagesHashes = say(
  "PagesHashes",
  { space: page.space, node: Node, epoch: Count, hashes: Type.Array(Count, { maxItems: 2048 }) },
  "node → memory controller: page, hash of its bytes as they are now; and so on. A hint: who shares compares the bytes",
)
export const PagesStored = say(
  "PagesStored",
  { node: Node, epoch: Count, pages: Count, slots: Count, slotsMax: Count },
  "memory controller (page store) → memory controller: pages that lie here, frames that they take (equal ones share one, zeros take none), and that there are; a level",
)
/** Pages in one `PagesRun`: of a run with bytes, and of one without. */
export const RUN_PAGES_MAX = { bytes: 32, plain: 512 } as const
/** Pages with bytes in one run to a node that has not said that it takes more. */
export const RUN_PAGES_UNTOLD = 16
/** What may be said of many pages at once, and the numbers that each page has there: its own and those of its message, in this order. */
export const RUN_FIELDS = {
  PageGetS: ["page", "txn", "has"],
  PageGetM: ["page", "txn", "has"],
  PageUnblock: ["page", "txn"],
  PageFetch: ["page", "txn", "serial", "want", "acks"],
  PageData: ["page", "txn", "serial", "want", "acks", "version", "home"],
} as const
const runKinds = Type.Union([
  Type.Literal("PageGetS"), Type.Literal("PageGetM"), Type.Literal("PageUnblock"), Type.Literal("PageFetch"), Type.Literal("PageData"),
]) // prettier-ignore
export const PagesRun = say(
  "PagesRun",
  {
    space: page.space,
    epoch: Count,
    node: Node,
    of: runKinds,
    numbers: Type.Array(Count, { maxItems: 4_096, description: "by page, as RUN_FIELDS has them; has: 0 or 1, want: 0 S, 1 E, 2 M" }),
    bytes: Type.Optional(
      Type.Unsafe<PageBytes>(
        Type.String({ minLength: 1, maxLength: 174_764, description: "of PageData: the bytes of the pages one behind the other" }),
      ),
    ),
  },
  "node (or memory controller) → memory controller (or node): the same of several pages of a space for the same node, said in one step, in one message",
)
export const PagesTake = say(
  "PagesTake",
  { space: page.space, pages: Type.Integer({ minimum: RUN_PAGES_UNTOLD, maximum: PAGE_NUMBERS_MAX }) },
  "node (requester) → node: I take so many pages with their bytes in one message; who has not said so gets 16 at most",
)
const Numbers = Type.Array(Count, { maxItems: 40_000 })
export const PagesReport = say(
  "PagesReport",
  {
    node: Node,
    epoch: Count,
    part: Count,
    parts: Type.Integer({ minimum: 1 }),
    spaces: Type.Array(
      Type.Object(
        {
          space: page.space,
          held: Numbers,
          stored: Numbers,
        },
        closed,
      ),
      { maxItems: 1000 },
    ),
  },
  "node → memory controller: by space, pages held (page, 0 owner 1 shared 2 retained, version, serial; and so on) and stored (page, version, serial since when, 1 while another owns it; and so on)",
)
export const coherenceMessages = {
  PageGetS, PageGetM, PageOperate, PagePut, PageFetch, PageOperateAtHome, PageFwdS, PageFwdM, PageInv, PageRecall, PageFlush, PageReleased,
  PageData, PageGrant, PageInvAck, PageWriteBack, PageStored, PageRecallAck, PageResult, PageUnblock, PageDone, PagesAsk, PagesReport,
  PageHandOver, PageFrame, PageMoved, PageFrameFree, PageFrameAsk, PageRefused, PageBring, PagesGone, PageCounts, PagesSpare, PagesBalloon,
  PagesHashAsk, PagesHashes, PagesStored, PagesDone, PagesRun, PagesTake, PagesWanted, PagesBring,
} as const // prettier-ignore

type OfMany =
  | "PagesAsk"
  | "PagesReport"
  | "PagesGone"
  | "PageCounts"
  | "PagesSpare"
  | "PagesBalloon"
  | "PagesHashAsk"
  | "PagesHashes"
  | "PagesStored"
  | "PagesDone"
  | "PagesRun"
  | "PagesTake"
  | "PagesWanted"
  | "PagesBring"
/** Every message about one page. */
export type PageMessage = {
  [Kind in Exclude<keyof typeof coherenceMessages, OfMany>]: Static<(typeof coherenceMessages)[Kind]>
}[Exclude<keyof typeof coherenceMessages, OfMany>]
export type PagesAsk = Static<typeof PagesAsk>
export type PagesReport = Static<typeof PagesReport>
export type PagesGone = Static<typeof PagesGone>
export type PageCounts = Static<typeof PageCounts>
export type PagesSpare = Static<typeof PagesSpare>
export type PagesBalloon = Static<typeof PagesBalloon>
export type PagesHashAsk = Static<typeof PagesHashAsk>
export type PagesHashes = Static<typeof PagesHashes>
export type PagesStored = Static<typeof PagesStored>
export type PagesDone = Static<typeof PagesDone>
export type PagesRun = Static<typeof PagesRun>
export type PagesTake = Static<typeof PagesTake>
export type PagesWanted = Static<typeof PagesWanted>
export type PagesBring = Static<typeof PagesBring>
/** What nodes are told about many pages, besides `PagesAsk` and `PagesGone`: by homes, and by each other. */
export type PagesAdvice = PagesBalloon | PagesHashAsk | PagesDone | PagesBring | PagesTake
export type CoherenceMessage =
  | PageMessage
  | PagesRun
  | PagesAsk
  | PagesReport
  | PagesGone
  | PageCounts
  | PagesSpare
  | PagesWanted
  | PagesAdvice
  | PagesHashes
  | PagesStored
