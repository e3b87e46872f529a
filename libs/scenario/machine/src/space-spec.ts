/**
 * Rules for the pages of a space (a memory that several nodes use; jobs name theirs by `space`), from the machine's start on: until an operator
 * gives it others, and again when it has ended. What each rule does is the memory controller's (memory/placement).
 */
import { Type, type Static } from "typebox"

export const SPACES_MAX = 64

const closed = { additionalProperties: false } as const
const Node = Type.Integer({ minimum: 0, maximum: 29 })
/** As memory/contract has it. */
const Placement = Type.Union(
  [
    Type.Object({ kind: Type.Literal("first-touch") }, closed),
    Type.Object({ kind: Type.Literal("local"), node: Node }, closed),
    Type.Object({ kind: Type.Literal("interleave") }, closed),
    Type.Object({ kind: Type.Literal("bind"), nodes: Type.Array(Node, { minItems: 1, maxItems: 30 }) }, closed),
  ],
  { description: "on which node a page gets its frame: where it is touched first (not given), one node, around all, around these" },
)

export const SpaceSpec = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64, pattern: "^[A-Za-z0-9_-]+$", description: "unique; as `space` of jobs names it" }),
    placement: Type.Optional(Placement),
    follow: Type.Optional(
      Type.Boolean({
        description: "the hottest pages of a node go along when the last job of this space that ran there moves; not given: no",
      }),
    ),
    migrate: Type.Optional(Type.Boolean({ description: "a page that one node misses on most goes there; not given: no" })),
    replicate: Type.Optional(
      Type.Boolean({ description: "a page that is read, or nearly, is copied to the nodes that read it; not given: no" }),
    ),
    hotMisses: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000_000, description: "misses in an interval from which a page is hot; not given: 64" }),
    ),
  },
  closed,
)
export type SpaceSpec = Static<typeof SpaceSpec>

/** What is wrong with the rules of a machine's spaces: field and remedy; or null. */
export function spacesProblem(spaces: readonly SpaceSpec[], nodes: number): { readonly field: string; readonly remedy: string } | null {
  for (const [index, { name, placement }] of spaces.entries()) {
    const field = `memory.spaces[${index}]`
    if (spaces.findIndex((each) => each.name === name) < index)
      return { field: `${field}.name`, remedy: `${name} has rules already; names are unique` }
    const named = placement?.kind === "local" ? [placement.node] : placement?.kind === "bind" ? placement.nodes : []
    const absent = named.find((node) => node >= nodes)
    if (absent !== undefined) return { field: `${field}.placement`, remedy: `there is no node ${absent}; the nodes are 0 to ${nodes - 1}` }
  }
  return null
}
