/** The memories that a node of a machine shares with others for a holder of another subsystem: which homes, which nodes, and how long anything may take. */
import { assert } from "@backplane/foundation-base/assert"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { controllerOfPage, memoryController, nodeActor, pageStoreActor } from "@backplane/scenario-machine/topology"
import type { AgentOptions, PageText } from "./agent-options.ts"
import { byTurnsOfNodes } from "./page-holds.ts"
import { pagesReports, type SpacePages } from "./page-reports.ts"
import { SpaceMember } from "./space-member.ts"

/** An unanswered request is made again after so many ticks; counts are told as often. */
const RETRY_TICKS = 2
/** A page is kept so long at most for who waited for it and has no CPU. */
const PIN_TICKS = 4
/** A kernel goes through all its memory when it starts. */
const WALK_PAGES = 64

export interface MemberOptions extends Pick<AgentOptions, "space" | "memory" | "onChange"> {
  readonly pages: number
  readonly now: VirtualTime
  /** Nodes that have part in it, by whose turns pages are kept. */
  readonly members: readonly number[]
  readonly onRefused: (page: number, reason: string) => void
}

export interface MachineSpaces {
  open(options: MemberOptions): SpaceMember
  /** What the node tells a home in a new life. */
  reports(epoch: number, spaces: readonly SpacePages[]): ReturnType<typeof pagesReports>
}

export function machineSpaces(spec: MachineSpec, node: number, text?: PageText): MachineSpaces {
  const { tickCycles } = spec.clock
  const hasStore = (spec.memory?.swapPages ?? 0) > 0
  const shape = {
    node,
    nodes: spec.topology.nodes,
    homeOf: (page: number) => memoryController(controllerOfPage(spec, page)),
    ...(hasStore && { storeOf: (page: number) => pageStoreActor(controllerOfPage(spec, page)) }),
    nodeActor,
    retryCycles: RETRY_TICKS * tickCycles,
    pinCycles: PIN_TICKS * tickCycles,
    countCycles: RETRY_TICKS * tickCycles,
    ...(text !== undefined && { text }),
  }
  return {
    open: ({ pages, now, members, ...options }) => {
      const holdRule = byTurnsOfNodes({ rank: members.indexOf(node), nodes: members.length, tickCycles })
      return new SpaceMember({ ...shape, ...options, onResult, holdRule, walkPages: { ahead: WALK_PAGES, pages, when: "at-once" } }, now)
    },
    reports: (epoch, spaces) => pagesReports(node, epoch, spaces),
  }
}

/** Pages come to who uses them: no operation is ever asked for. */
function onResult(): void {
  assert(false, "nobody asked for an operation elsewhere")
}
