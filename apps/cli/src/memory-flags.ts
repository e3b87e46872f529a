/** Flags and arguments of `backplane memory`: their text, and whether the machine at hand has what they name. */
import {
  NODE_NUMBER_MAX,
  PAGE_NUMBER_MAX,
  SPACE_HARTS_MAX,
  SPACE_PAGES_MAX,
  type MemoryAnswer,
  type PagePlacement,
} from "@backplane/memory-contract/memory-operator-messages"
import { InvalidArgumentError } from "commander"
import { CommandFailure } from "./failure.ts"
import { count } from "./number-flags.ts"

const NAME_LENGTH_MAX = 64

export function wholeNumber(text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError("give a whole number")
  return value
}

function upTo(max: number, what: string): (text: string) => number {
  return (text) => {
    const value = wholeNumber(text)
    if (value > max) throw new InvalidArgumentError(`${what} have numbers up to ${max}`)
    return value
  }
}

/** A page by its number. */
export const pageNumber = upTo(PAGE_NUMBER_MAX, "pages")
/** A node that may have part in shared memory. */
export const memoryNode = upTo(NODE_NUMBER_MAX, "nodes of shared memory")

export function memoryNodes(text: string): readonly number[] {
  return text.split(",").map(memoryNode)
}

export function wholeNumbers(text: string): readonly number[] {
  return text.split(",").map(wholeNumber)
}

export function spaceName(text: string): string {
  if (text === "" || text.length > NAME_LENGTH_MAX || text.includes("/"))
    throw new InvalidArgumentError(`a name has 1 to ${NAME_LENGTH_MAX} characters and no slash`)
  return text
}

export function spacePages(text: string): number {
  const pages = count(text)
  if (pages > SPACE_PAGES_MAX) throw new InvalidArgumentError(`a memory has at most ${SPACE_PAGES_MAX} pages`)
  return pages
}

export function placement(text: string): PagePlacement {
  const [kind = "", nodes = ""] = text.split(":")
  if (kind === "first-touch" || kind === "interleave") return { kind }
  if (kind === "local" && nodes !== "") return { kind, node: wholeNumber(nodes) }
  if (kind === "bind" && nodes !== "") return { kind, nodes: [...wholeNumbers(nodes)] }
  throw new InvalidArgumentError("give first-touch, interleave, local:<node> or bind:<node>,<node>…")
}

/** Throws where a flag names a node that the machine does not have. */
export function checkNodes(
  { nodes }: Pick<MemoryAnswer, "nodes">,
  flags: { readonly placement: PagePlacement; readonly harts?: readonly number[] },
): void {
  const { placement: where, harts = [] } = flags
  const placed = where.kind === "local" ? [where.node] : where.kind === "bind" ? where.nodes : []
  for (const [flag, named] of [["--placement", placed] as const, ["--harts", harts] as const]) {
    const beyond = named.find((node) => !nodes.some((each) => each.node === node))
    if (beyond !== undefined)
      throw new CommandFailure("bad-input", `${flag}: there is no node ${beyond}; the machine has nodes 0 to ${nodes.length - 1}`)
  }
}

/** Throws where no node would open such a memory. */
export function checkSize({ pages, harts }: { readonly pages: number; readonly harts: readonly number[] }): void {
  if (harts.length > SPACE_HARTS_MAX) throw new CommandFailure("bad-input", `--harts: at most ${SPACE_HARTS_MAX}, not ${harts.length}`)
  if (pages > SPACE_PAGES_MAX)
    throw new CommandFailure(
      "bad-input",
      `--pages: a memory has at most ${SPACE_PAGES_MAX} pages, and ${harts.length} harts would go over ${pages}`,
    )
}
