/**
 * What an operator (the command line, the gateway, a hypervisor) asks of a memory controller: where pages lie, how often nodes missed on
 * them, the rules of a space, and moves by hand.
 *
 * Every question carries a request of its own; a repeat of it is answered again and does nothing twice.
 */
import { Type, type Static } from "typebox"

const closed = { additionalProperties: false } as const
const Request = Type.String({ minLength: 1, maxLength: 64 })
const Space = Type.String({ minLength: 1, maxLength: 64, description: "whose memory" })
/** What no page and no node has as its number is asked of nobody: it would not be answered. */
export const PAGE_NUMBER_MAX = 2 ** 30
export const NODE_NUMBER_MAX = 30
const Page = Type.Integer({ minimum: 0, maximum: PAGE_NUMBER_MAX, description: "number of the page in it" })
const Node = Type.Integer({ minimum: 0, maximum: NODE_NUMBER_MAX })
const Count = Type.Integer({ minimum: 0 })
const Nodes = Type.Array(Node, { minItems: 1, maxItems: 31 })

export const PagePlacement = Type.Union(
  [
    Type.Object({ kind: Type.Literal("first-touch") }, closed),
    Type.Object({ kind: Type.Literal("local"), node: Node }, closed),
    Type.Object({ kind: Type.Literal("interleave") }, closed),
    Type.Object({ kind: Type.Literal("bind"), nodes: Nodes }, closed),
  ],
  { description: "on which node a page gets its frame: where it is touched first, one node, around all, around these" },
)
export type PagePlacement = Static<typeof PagePlacement>

/** How the pages of a space are placed and moved. */
export const SpaceRules = Type.Object(
  {
    placement: PagePlacement,
    /** For pages that a CPU of that node touches first, another placement: what a vCPU there allocates. */
    byToucher: Type.Array(Type.Object({ node: Node, placement: PagePlacement }, closed), { maxItems: 31 }),
    migrate: Type.Boolean({ description: "a page that one node misses on most goes there" }),
    replicate: Type.Boolean({ description: "a page that is read, or nearly, is copied to the nodes that read it" }),
    hotMisses: Type.Integer({ minimum: 1, maximum: 1_000_000, description: "misses in an interval from which a page is hot" }),
    follow: Type.Optional(
      Type.Boolean({
        description: "the hottest pages of a node go along when the last task of this memory that ran there moves; not given: no",
      }),
    ),
    share: Type.Optional(
      Type.Boolean({ description: "pages that are equal to others of this or another space share one frame; not given: no" }),
    ),
    framesMax: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 2 ** 30,
        description: "frames that the space may have; the rest of its pages lies in the page store",
      }),
    ),
  },
  closed,
)
export type SpaceRules = Static<typeof SpaceRules>

/** How short of frames a node is: nothing is done; guests give back; pages go to the page store; who needs a frame waits for one. */
export const MEMORY_LEVELS = ["high", "soft", "hard", "low"] as const
export type MemoryLevel = (typeof MEMORY_LEVELS)[number]

export const NodeMemoryView = Type.Object(
  { node: Node, frames: Count, free: Count, leased: Count, shared: Count, dead: Type.Boolean(), level: Type.Enum([...MEMORY_LEVELS]) },
  { ...closed, description: "frames of a node: free + leased + shared = all" },
)
export const PageView = Type.Object(
  {
    page: Page,
    home: Type.Integer({ minimum: 0, maximum: 31, description: "the node of its frame; the number after the last node: the page store" }),
    state: Type.String({ description: "U the frame only, S readers, X one owner, D being written back, B_… busy, lost" }),
    owner: Type.Union([Node, Type.Null()]),
    sharers: Type.Array(Node),
    reads: Type.Array(Count, { description: "misses that read, by node" }),
    writes: Type.Array(Count),
    moves: Count,
  },
  closed,
)
export type PageView = Static<typeof PageView>
export const SpaceView = Type.Object(
  {
    space: Space,
    rules: SpaceRules,
    pages: Count,
    byHome: Type.Array(Count, { description: "pages by the node of their frame" }),
    reads: Type.Array(Count, { description: "misses that read, by node" }),
    writes: Type.Array(Count),
    localMisses: Count,
    remoteMisses: Count,
    migrations: Count,
    replications: Count,
    refused: Count,
    stored: Type.Object(
      { swapped: Count, shared: Count, given: Count },
      { ...closed, description: "pages in the page store: for want of frames, as equal to others, given back by the guest" },
    ),
    swapIns: Count,
    swapOuts: Count,
    balloon: Type.Integer({ minimum: 0, description: "pages that the guest was asked to do without" }),
    lost: Count,
    hurt: Type.Array(Type.Object({ node: Node, lost: Count }, closed), {
      description: "nodes that died with state of it, and pages lost with them",
    }),
    together: Type.Array(Type.Object({ page: Page, nodes: Nodes }, closed), {
      maxItems: 16,
      description: "pages that these nodes write in turn: their vCPUs had better run on one node",
    }),
  },
  closed,
)
export type SpaceView = Static<typeof SpaceView>

export const MemoryMapAsk = Type.Object(
  { kind: Type.Literal("MemoryMapAsk"), request: Request, space: Type.Optional(Space), from: Type.Optional(Page) },
  { ...closed, description: "operator → memory controller: where do pages lie? With a space its pages from that number on" },
)
export const MemoryMoveAsk = Type.Object(
  { kind: Type.Literal("MemoryMoveAsk"), request: Request, space: Space, page: Page, to: Node },
  { ...closed, description: "operator → memory controller: the frame of this page shall lie there" },
)
export const MemoryReplicateAsk = Type.Object(
  { kind: Type.Literal("MemoryReplicateAsk"), request: Request, space: Space, page: Page, on: Nodes },
  { ...closed, description: "operator → memory controller: these nodes shall have a readable copy" },
)
export const SpaceRulesAsk = Type.Object(
  { kind: Type.Literal("SpaceRulesAsk"), request: Request, space: Space, rules: SpaceRules },
  { ...closed, description: "operator → memory controller: this is how the pages of the space are placed and moved from now on" },
)
/** Pages of a space; each node that has part in it holds that much memory. */
export const SPACE_PAGES_MAX = 4096
export const SPACE_HARTS_MAX = 64
const PROGRAM_BYTES_MAX = 256 * 1024

export const SpaceOpen = Type.Object(
  {
    kind: Type.Literal("SpaceOpen"),
    request: Request,
    space: Space,
    pages: Type.Integer({ minimum: 1, maximum: SPACE_PAGES_MAX }),
    program: Type.String({
      maxLength: Math.ceil(PROGRAM_BYTES_MAX / 3) * 4,
      pattern: "^[A-Za-z0-9+/]*={0,2}$",
      description:
        "RV64 code in base64; the memory begins with it, every hart begins there with its number in a0 and how many there are in a1, an ecall ends it",
    }),
    harts: Type.Array(Node, { minItems: 1, maxItems: SPACE_HARTS_MAX, description: "the node of each hart" }),
    copiesMax: Type.Integer({
      minimum: 0,
      maximum: SPACE_PAGES_MAX,
      description: "copies of pages of other nodes that a node keeps; 0: any",
    }),
  },
  { ...closed, description: "operator → node: run these harts in one memory with those of the other nodes" },
)
export const SpaceAsk = Type.Object(
  { kind: Type.Literal("SpaceAsk"), request: Request, space: Space },
  { ...closed, description: "operator → node: how do the harts of this memory stand?" },
)
export const SpaceClose = Type.Object(
  { kind: Type.Literal("SpaceClose"), request: Request, space: Space },
  { ...closed, description: "operator → node: end this memory and its harts; to its memory controller: forget it" },
)
export const SpaceAnswer = Type.Object(
  {
    kind: Type.Literal("SpaceAnswer"),
    request: Request,
    space: Space,
    node: Node,
    answer: Type.Union([Type.Literal("done"), Type.Literal("refused")]),
    reason: Type.String({ maxLength: 300 }),
    harts: Type.Array(
      Type.Object(
        { hart: Count, state: Type.Enum(["ready", "waiting", "done", "lost"]), instructions: Count, result: Type.String() },
        closed,
      ),
      { maxItems: SPACE_HARTS_MAX },
    ),
  },
  { ...closed, description: "node → operator: done, or refused and why; with its harts and what they have in a0" },
)
export type SpaceOpen = Static<typeof SpaceOpen>
export type SpaceAsk = Static<typeof SpaceAsk>
export type SpaceClose = Static<typeof SpaceClose>
export type SpaceAnswer = Static<typeof SpaceAnswer>

export const MemoryAnswer = Type.Object(
  {
    kind: Type.Literal("MemoryAnswer"),
    request: Request,
    answer: Type.Union([Type.Literal("done"), Type.Literal("refused")], { description: "a move is done when the frame lies there" }),
    reason: Type.String({ maxLength: 300 }),
    incarnation: Count,
    controllers: Type.Integer({ minimum: 1, description: "memory controllers of the machine: each tells of its part of pages and frames" }),
    epoch: Type.Integer({ minimum: 0, description: "life of the directory: deaths of nodes count" }),
    nodes: Type.Array(NodeMemoryView, { maxItems: 64 }),
    store: Type.Union([Type.Object({ pages: Count, slots: Count, slotsMax: Count }, closed), Type.Null()], {
      description: "the page store: pages that lie there, frames that they take, and that it has; null: there is none",
    }),
    spaces: Type.Array(SpaceView, { maxItems: 1000 }),
    pages: Type.Array(PageView, { maxItems: 1024 }),
    next: Type.Union([Page, Type.Null()], { description: "first page that did not fit" }),
  },
  { ...closed, description: "memory controller → operator: done, or refused and why; with what was asked for" },
)

export type MemoryMapAsk = Static<typeof MemoryMapAsk>
export type MemoryMoveAsk = Static<typeof MemoryMoveAsk>
export type MemoryReplicateAsk = Static<typeof MemoryReplicateAsk>
export type SpaceRulesAsk = Static<typeof SpaceRulesAsk>
export type MemoryAnswer = Static<typeof MemoryAnswer>
export type MemoryOperatorAsk = MemoryMapAsk | MemoryMoveAsk | MemoryReplicateAsk | SpaceRulesAsk | SpaceClose

export const memoryOperatorMessages = {
  MemoryMapAsk, MemoryMoveAsk, MemoryReplicateAsk, SpaceRulesAsk, MemoryAnswer, SpaceOpen, SpaceAsk, SpaceClose, SpaceAnswer,
} as const // prettier-ignore
