/** The random tester: harts of several nodes in one shared memory, under faults, every access compared with one flat memory. */
import { PAGE_BYTES, RAM_BASE } from "@backplane/compute-contract/engine"
import type { FaultPlan } from "@backplane/foundation-simulation/fault-plan"
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Body } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { Random } from "@backplane/foundation-base/random"
import { MEMORY_CONTROLLER, pageStoreActor } from "@backplane/scenario-machine/topology"
import type { BareNodeConfig } from "@backplane/memory-bare/bare-node"
import type { AgentCounts } from "@backplane/memory-agent/agent-options"
import type { PageDevice } from "@backplane/memory-controller/page-device"
import type { Rights } from "@backplane/memory-coherence/page-record"
import { PROTOCOL, type Protocol } from "@backplane/memory-coherence/rules"
import { FlatMemory, IncoherenceError } from "./flat-memory.ts"
import { RandomDriver, TESTER_BYTES, TESTER_PAGES, testerImage } from "./random-driver.ts"
import { freshPage, LATENCY_CYCLES, sharedWorld, SPACE, type SharedWorld } from "./shared-world.ts"

export interface TesterOptions {
  readonly seed: number
  readonly operations: number
  readonly nodes?: number
  readonly hartsPerNode?: number
  /** Share of accesses to pages that others visit seldom: 0 for the most contention. */
  readonly privacy?: number
  /** Messages are lost, doubled, late and out of order; the memory controller is killed now and then. */
  readonly faults?: "none" | "messages" | "messages-and-controller"
  /** Frames of pages are moved to other nodes all the while, and copies pushed. */
  readonly moves?: boolean
  /** There are fewer frames than pages: the others lie in a page store, which is killed, too, where the controller is. */
  readonly swap?: boolean
  /** What the page store keeps its pages on, for planted bugs. */
  readonly device?: PageDevice
  /** Between two deaths of the controller, at most; how long it is down, at most. */
  readonly lifeCycles?: number
  readonly downCycles?: number
  /** Between two evictions of a page; between two moves of a frame, at most. */
  readonly evictEveryCycles?: number
  readonly moveCycles?: number
  /** From then on no page is evicted and no frame moved by anybody but the protocol: what was left undone before is not made good by chance. */
  readonly calmAfterCycles?: number
  readonly protocol?: Protocol
  /** How the rights of CPUs are set, for planted bugs: what to do in the place of the right thing. */
  readonly wrongRights?: (rights: Rights) => Rights
}

export interface TesterResult {
  readonly seed: number
  readonly operations: number
  readonly compared: number
  readonly messages: number
  readonly restarts: number
  /** Frames that came to lie in another place. */
  readonly migrations: number
  readonly counts: AgentCounts
  /** Null: no difference to one flat memory. */
  readonly difference: string | null
}

const FAULTS: FaultPlan = {
  until: virtualTime(Number.MAX_SAFE_INTEGER),
  loss: 0.03,
  duplication: 0.05,
  delay: { min: 5, max: 80 },
  reordering: 0.3,
}
/** Between two deaths of the controller, and how long it is down. */
const LIFE_CYCLES = 15_000
const DOWN_CYCLES = 1_000
/** No operation takes longer, whatever is lost. */
const CYCLES_PER_OPERATION = 60_000
/** Few, so that there are operations done at home among the others. */
const CONTENDED_LOSSES = 3
/** Operations in a turn, where most need no message. */
const BURST_MAX = 32
const EVICT_EVERY_CYCLES = 200
/** So many looks in a row without a step: longer than any retry. */
const STILL_LOOKS_MAX = 10
/** Between two looks at frames that are short. */
const POLICY_CYCLES = 2_000
/** Between two moves of a frame, at most. */
const MOVE_CYCLES = 400

export function runRandomTester(options: TesterOptions): TesterResult {
  const { seed, operations, nodes = 3, hartsPerNode = 2, privacy = 0, faults = "messages", moves = false, swap = false, protocol } = options
  const { wrongRights = (rights) => rights } = options
  const { breaksReservation, reservationHolds } = (protocol ?? PROTOCOL).rules
  // The engine itself is right: a rule gone wrong is played by what surrounds it.
  const brokenReservation = reservationHolds(false) || !breaksReservation ? { reserveAgain: true } : {}
  const image = testerImage()
  const flat = new FlatMemory(image)
  let left = operations
  let migrations = 0
  const onOperated = operatedIn(flat)
  const shared = sharedWorld({
    seed,
    nodes,
    hartsPerNode,
    memoryBytes: TESTER_BYTES,
    image,
    ...(protocol !== undefined && { protocol }),
    ...(swap && { framesPerNode: Math.ceil((TESTER_PAGES * 2) / 3 / nodes), controller: { policyCycles: POLICY_CYCLES } }),
    world: faults === "none" ? {} : { faults: FAULTS },
    driver: (node, engine) => new RandomDriver({ node, engine, flat, privacy, more: () => left-- > 0, ...brokenReservation }),
    store: { onOperated, ...(options.device !== undefined && { device: options.device }) },
    node: (_node, engine) => ({
      onOperated,
      burstMax: privacy === 0 ? 1 : BURST_MAX,
      contendedLosses: CONTENDED_LOSSES,
      setRights: (page: number, rights: Rights) => {
        const held = Array.from({ length: hartsPerNode }, (_, cpu) => engine.readReservation(cpu))
        engine.setFrameRights(RAM_BASE + BigInt(page * PAGE_BYTES), wrongRights(rights))
        if (breaksReservation) return
        held.forEach((address, cpu) => {
          if (address !== null) engine.writeReservation(cpu, address)
        })
      },
    }),
  })
  const restarts =
    faults === "messages-and-controller"
      ? planRestarts(
          shared,
          { seed, swap, lifeCycles: options.lifeCycles ?? LIFE_CYCLES, downCycles: options.downCycles ?? DOWN_CYCLES },
          () => shared.machines.every(({ done }) => done),
        )
      : { count: 0 }
  shared.world.onMessage(({ body }) => void (migrations += body.kind === "PageMoved" ? 1 : 0))
  if (moves) planMoves(shared, options)
  let difference: string | null = null
  try {
    runToEnd(shared, options)
    compareAll(shared, flat)
  } catch (error) {
    difference = error instanceof Error ? error.message : String(error)
  }
  const counts = shared.machines.map(({ agent }) => agent.counts()).reduce(sumOf)
  if (counts.brokenPins > 0) difference ??= "a page was taken before the instruction that it was brought for had completed"
  return {
    seed,
    operations,
    compared: flat.compared,
    messages: shared.world.counts.sent,
    restarts: restarts.count,
    migrations,
    counts,
    difference,
  }
}

/** The oracle hears of operations where they are done. */
function operatedIn(flat: FlatMemory): NonNullable<BareNodeConfig["onOperated"]> {
  return (page, { operation, node, found }) => {
    flat.operatedElsewhere(node, page * PAGE_BYTES + operation.offset, operation, found)
  }
}

function planRestarts(
  { world }: SharedWorld,
  plan: { readonly seed: number; readonly swap: boolean; readonly lifeCycles: number; readonly downCycles: number },
  done: () => boolean,
): { count: number } {
  const { seed, swap, lifeCycles, downCycles } = plan
  const random = new Random(`${seed}/restarts`)
  const planned = { count: 0 }
  const kill = (at: number): void => {
    world.at(virtualTime(at), () => {
      if (done()) return
      planned.count += 1
      const victim = swap && random.chance(0.5) ? pageStoreActor() : MEMORY_CONTROLLER
      world.crash(victim)
      const back = at + random.between(1, downCycles)
      world.at(virtualTime(back), () => {
        world.restart(victim)
      })
      kill(back + random.between(lifeCycles / 2, lifeCycles))
    })
  }
  kill(random.between(1, lifeCycles))
  return planned
}

/** An operator has frames moved and copies pushed at random. */
function planMoves({ world, machines }: SharedWorld, { seed, moveCycles = MOVE_CYCLES, calmAfterCycles = Infinity }: TesterOptions): void {
  const random = new Random(`${seed}/moves`)
  const operator = actorId("operator.0")
  const move = (at: number): void => {
    world.at(virtualTime(at), () => {
      if (at >= calmAfterCycles || machines.every(({ done }) => done)) return
      const page = random.below(TESTER_PAGES)
      const node = random.below(machines.length)
      const about = { request: `at-${at}`, space: SPACE, page }
      const body = random.chance(0.8) ? { kind: "MemoryMoveAsk", ...about, to: node } : { kind: "MemoryReplicateAsk", ...about, on: [node] }
      world.inject({ from: operator, to: MEMORY_CONTROLLER, body: body as Body })
      move(at + random.between(1, moveCycles))
    })
  }
  move(moveCycles)
}

function runToEnd(
  { world, machines }: SharedWorld,
  { operations, evictEveryCycles = EVICT_EVERY_CYCLES, calmAfterCycles = Infinity }: TesterOptions,
): void {
  const random = new Random(`${world.settings.seed}/evictions`)
  const done = (): boolean => machines.every((machine) => machine.done)
  let before = -1
  let still = 0
  while (!done()) {
    const until = virtualTime(world.now + (world.now < calmAfterCycles ? evictEveryCycles : EVICT_EVERY_CYCLES))
    world.run({ until, stop: done })
    // A page now and then goes, as if its memory were wanted for something else.
    if (world.now < calmAfterCycles) random.pick(machines).evictSoon(random.below(TESTER_PAGES))
    // While the controller is down and all wait for it, only retries are heard, and those are farther apart than two looks.
    still = world.steps === before ? still + 1 : 0
    if (world.now > LATENCY_CYCLES * CYCLES_PER_OPERATION && still >= STILL_LOOKS_MAX) throw new IncoherenceError("nothing moves any more")
    before = world.steps
    if (world.now > operations * CYCLES_PER_OPERATION) throw new IncoherenceError("no end in sight: something waits for ever")
  }
}

/** At the end the freshest copy of each page is what one flat memory holds. */
function compareAll(shared: SharedWorld, flat: FlatMemory): void {
  for (let page = 0; page < TESTER_PAGES; page++) {
    const wrong = freshPage(shared, page).findIndex((byte, index) => byte !== flat.bytes[page * PAGE_BYTES + index])
    if (wrong >= 0) throw new IncoherenceError(`at the end page ${page} differs at ${wrong}`)
  }
}

function sumOf(a: AgentCounts, b: AgentCounts): AgentCounts {
  return {
    getS: a.getS + b.getS,
    getM: a.getM + b.getM,
    operations: a.operations + b.operations,
    taken: a.taken + b.taken,
    repeats: a.repeats + b.repeats,
    brokenPins: a.brokenPins + b.brokenPins,
  }
}
