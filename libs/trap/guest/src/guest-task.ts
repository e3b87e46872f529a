/**
 * One guest on one node: a native board of one hart, run in slices of ticks.
 *
 * A tick pays for `instructionsPerTick` units of the board's own clock (instructions, and what its hart waits in `wfi`). The board runs a
 * slice ahead of the node's clock when the slice is planned: a CPU is never taken away before the slice's end, so nobody can see it. A
 * hart that sleeps goes to its timer at once; its task then burns ticks until the node's clock is there.
 * A long slice runs in parts, each planned when the one before is over: the node hears and says between them. Where a host is slower than the guest should be, ticks
 * that were noticed late are made up for by one more part, and no more: each would be later than the one before.
 *
 * Invariants: the run is the same however it is cut into slices and wherever they are; so is the sum of ticks, unless the host is too slow: the whole ticks that its
 * clock is worth, and the one in which its end shows.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import { decodeBase64 } from "@backplane/foundation-base/base64"
import { Board } from "@backplane/trap-board/board"
import type { BoardStop } from "@backplane/trap-board/board-types"
import type { GuestEnd, GuestOutcome, GuestState } from "@backplane/compute-contract/guest-state"
import type { GuestSpec } from "@backplane/scenario-machine/guest-spec"
import type { EngineTask, SliceOutcome, TaskCache, TaskProgress, TaskSlice } from "@backplane/compute-contract/task-engine"
import type { TaskSpec } from "@backplane/compute-contract/task-messages"
import type { GuestParts } from "./guest-parts.ts"
import { KeptConsole } from "./kept-console.ts"

/** As `timeout(1)` says it. */
const EXIT_LIMIT = 124
/** Of a part of a slice, or one tick if that pays for more: some 15 ms of a quiet host, as for vCPUs (trap/vm-host). */
const PART_INSTRUCTIONS = 4_000_000

/** Told when a board comes to be and when it goes: engines take much memory, so there are only so many at a time. */
export interface BoardKeeper {
  used(task: GuestTask): void
  gone(task: GuestTask): void
}

export class GuestTask implements EngineTask {
  readonly #task: TaskSpec
  readonly #guest: GuestSpec
  readonly #parts: GuestParts
  readonly #keeper: BoardKeeper
  readonly #console: KeptConsole
  /** At most one of board and parked state is there; neither before the first slice. */
  #board: Board | null = null
  #parked: GuestState["board"] | null
  /** Units of the board's clock that the ticks so far have paid for. Only grows. */
  #granted: number
  #end: GuestEnd | null

  constructor(options: {
    readonly spec: TaskSpec
    readonly before: GuestState | null
    readonly parts: GuestParts
    readonly keeper: BoardKeeper
  }) {
    const { spec, before, parts, keeper } = options
    this.#task = spec
    this.#guest = defined(spec.guest, "the task is a guest")
    this.#parts = parts
    this.#keeper = keeper
    this.#console = new KeptConsole(before?.console ?? null)
    this.#parked = before?.board ?? null
    this.#granted = before?.grantedUnits ?? 0
    this.#end = before?.ended ?? null
  }

  plan({ budgetTicks }: TaskSlice): number {
    return this.#advance(Math.min(budgetTicks, this.#partTicks)).ticks
  }

  run({ cache, budgetTicks }: TaskSlice): SliceOutcome {
    const paidTicks = Math.min(budgetTicks, 2 * this.#partTicks)
    const { ticks: ran, finished } = this.#advance(paidTicks)
    this.#granted += ran * this.#guest.instructionsPerTick
    const ticks = finished ? ran : budgetTicks
    return { left: 0, ticks, finished, warmTicks: warmUp(cache, this.#task, ticks) }
  }

  get #partTicks(): number {
    return Math.max(1, Math.floor(PART_INSTRUCTIONS / this.#guest.instructionsPerTick))
  }

  progress(): TaskProgress {
    const board = this.#board === null ? this.#parked : this.#board.capture()
    if (board === null) return { left: 0 }
    return { left: 0, guest: { board, ended: this.#end, grantedUnits: this.#granted, console: this.#console.capture() } }
  }

  outcome(): GuestOutcome {
    const board = this.#awake()
    assert(this.#end !== null, "a guest that has finished has ended")
    return {
      ...this.#end,
      instructions: board.instructions(),
      console: this.#parts.decodeText(this.#console.kept()),
      consoleBytes: this.#console.bytes,
      state: board.hash(),
    }
  }

  close(): void {
    this.#board = null
    this.#parked = null
    this.#keeper.gone(this)
  }

  /** Gives the engine back; the board goes on from its capture when it is needed. */
  park(): void {
    if (this.#board !== null) this.#parked = this.#board.capture()
    this.#board = null
  }

  /** Runs the board to where `ticks` more would pay for, or to its end. Done before: costs nothing more. */
  #advance(budgetTicks: number): { readonly ticks: number; readonly finished: boolean } {
    if (budgetTicks === 0) return { ticks: 0, finished: false } // dropped in the tick in which it was put on
    const { instructionsPerTick, instructionsMax } = this.#guest
    const board = this.#awake()
    const target = this.#granted + budgetTicks * instructionsPerTick
    while (this.#end === null && board.passed() < target) {
      const left = instructionsMax - board.instructions()
      this.#end = left === 0 ? { exit: EXIT_LIMIT, reason: "limit" } : endOf(board.run(Math.min(left, target - board.passed())))
      this.#console.add(board.console.takeOutput())
    }
    // An end at the very end of a tick shows in the next one: whether a hart is idle or out of instructions is known only when it goes on.
    const needed = Math.floor((board.passed() - this.#granted) / instructionsPerTick) + 1
    const finished = this.#end !== null && needed <= budgetTicks
    return { ticks: finished ? needed : budgetTicks, finished }
  }

  #awake(): Board {
    this.#keeper.used(this)
    if (this.#board !== null) return this.#board
    const { memoryBytes } = this.#guest
    const engine = this.#parts.makeEngine({ memoryBytes, cpus: 1 })
    this.#board = new Board(engine, this.#parked ?? this.#image())
    this.#parked = null
    return this.#board
  }

  #image(): ConstructorParameters<typeof Board>[1] {
    const { image, memoryBytes } = this.#guest
    const read = this.#parts.readImage(decodeBase64(defined(image, "a guest that has not run brings its image")), memoryBytes)
    assert(!("refusal" in read), "the image was checked when the task came")
    return read
  }
}

function endOf(stop: BoardStop): GuestEnd | null {
  switch (stop.kind) {
    case "budget":
      return null
    case "end":
      return { exit: stop.code, reason: stop.reason }
    case "idle":
    case "stuck":
      return { exit: EXIT_LIMIT, reason: stop.kind }
  }
}

/** A guest gets on no faster with a warm cache, but it wears the cache in like any task. The ticks that it was warm for. */
function warmUp(cache: TaskCache, { task, workingSet }: TaskSpec, ticks: number): number {
  for (let ran = 0; ran < ticks; ran++) {
    if (cache.isHot(task)) return ticks - ran // nothing can push it out while it runs
    cache.ranTick(task, workingSet)
  }
  return 0
}
