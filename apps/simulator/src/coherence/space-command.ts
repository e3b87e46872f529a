/** `spaces`: harts of several nodes in one memory in simulation, to their end; what the memory controller says of it then. */
import type { SpaceRules } from "@backplane/memory-contract/memory-operator-messages"
import type { SharedProgram } from "@backplane/compute-riscv/shared-programs"
import { SpaceWorld } from "./space-world.ts"

interface Request {
  readonly space: string
  readonly program: SharedProgram
  readonly pages: number
  readonly rounds: number
  readonly harts: readonly number[]
  readonly copiesMax: number
  readonly rules: SpaceRules
  readonly seed: number
  readonly frames: number
  readonly swap: number
  readonly json: boolean
}

const CYCLES_MAX = 2_000_000_000

export function spaceCommand([text = "{}"]: readonly string[]): number {
  const { seed, frames: framesPerNode, swap: swapPages, json, ...run } = JSON.parse(text) as Request
  const nodes = Math.max(2, ...run.harts.map((node) => node + 1))
  const spaces = new SpaceWorld({ seed, nodes, framesPerNode, swapPages })
  spaces.open(run)
  const harts = spaces.finish(run.space, CYCLES_MAX)
  const map = spaces.map(run.space)
  const { now: cycles } = spaces.world
  if (json) console.log(JSON.stringify({ cycles, harts, nodes: map.nodes, store: map.store, spaces: map.spaces, pages: map.pages }))
  else {
    const [space] = map.spaces
    const misses = (space?.localMisses ?? 0) + (space?.remoteMisses ?? 0)
    console.log(
      `${cycles} cycles; ${misses} misses, ${space?.localMisses ?? 0} of them local; ${space?.migrations ?? 0} migrations, ${space?.replications ?? 0} copies pushed`,
    )
    if (map.store !== null)
      console.log(
        `page store: ${map.store.pages} pages in ${map.store.slots} frames; ${space?.swapOuts ?? 0} went out, ${space?.swapIns ?? 0} came in`,
      )
    for (const { hart, state, instructions, result } of harts)
      console.log(`hart ${hart}: ${state}, ${instructions} instructions, a0 ${result}`)
  }
  return harts.every(({ state }) => state === "done") ? 0 : 1
}
