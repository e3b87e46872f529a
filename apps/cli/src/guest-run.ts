/** One guest on the native machine, from file to exit code. Time and limits of the person are here; the machine knows instructions only. */
import { Board } from "@backplane/trap-board/board"
import { leavesRoomForDeviceTree } from "@backplane/trap-board/boot"
import { CPUS_MAX, MEMORY_BYTES_MAX, WasmEngine } from "@backplane/compute-engine/engine"
import { bad, type CommandFailure } from "./failure.ts"
import { readFile, readGuest } from "./guest-file.ts"
import { traceEngine } from "./traced-engine.ts"
import type { BoardStop } from "@backplane/trap-board/board-types"

export interface GuestFlags {
  readonly cpus: number
  readonly memory: number
  readonly maxInstructions?: number
  readonly timeout?: number
  readonly traceInstructions?: number
  readonly stdin?: string
  readonly state?: true
  readonly json?: true
}

/** As `timeout(1)` says it. */
const EXIT_LIMIT = 124
const PAGE_BYTES = 4096
const BYTE_MAX = 255
/** Between two looks at the clock: some milliseconds. */
const CHUNK_INSTRUCTIONS = 2_000_000

/** What the run came to. `exit` is the guest's code. */
interface Outcome {
  readonly exit: number
  readonly reason: string
  readonly message?: string
}

export function runGuest(path: string, flags: GuestFlags): number {
  const board = makeBoard(path, flags)
  if (flags.stdin !== undefined) feed(board, flags.stdin)
  const output: Uint8Array[] = []
  const emit = (bytes: Uint8Array): void => {
    if (flags.json === true) output.push(bytes)
    else if (bytes.length > 0) process.stdout.write(bytes)
  }
  const started = performance.now()
  const cpuStarted = process.cpuUsage()
  const outcome = drive(board, flags, emit)
  const elapsed = (performance.now() - started) / 1000
  const cpu = process.cpuUsage(cpuStarted)
  const figures = {
    instructions: board.instructions(),
    seconds: round(elapsed),
    cpuSeconds: round((cpu.user + cpu.system) / 1e6),
    mips: round(board.instructions() / elapsed / 1e6),
  }
  const state = flags.state === true ? { state: board.hash() } : {}
  if (flags.json === true) {
    const exits = Object.fromEntries([...board.exits()].sort(([a], [b]) => (a < b ? -1 : 1)))
    console.log(JSON.stringify({ ...outcome, ...figures, ...state, console: Buffer.concat(output).toString("utf8"), exits }))
  } else {
    const message = outcome.message === undefined ? "" : `: ${outcome.message}`
    console.error(
      `backplane: ${outcome.reason}${message}, exit ${outcome.exit}; ${figures.instructions} instructions, ${figures.seconds} s, ${figures.mips} MIPS${state.state === undefined ? "" : `, state ${state.state}`}`,
    )
  }
  return processCode(outcome.exit)
}

/** A process can say a byte only: what does not fit is 255, never 0. */
function processCode(exit: number): number {
  return exit <= BYTE_MAX ? exit : BYTE_MAX
}

function makeBoard(path: string, flags: GuestFlags): Board {
  const { cpus, memory: memoryBytes } = flags
  if (cpus > CPUS_MAX) throw refuse("--cpus", `${cpus} harts are too many`, `give 1 to ${CPUS_MAX}`)
  if (memoryBytes % PAGE_BYTES !== 0 || memoryBytes < 2 ** 20 || memoryBytes > MEMORY_BYTES_MAX) {
    throw refuse("--memory", `${memoryBytes} bytes cannot be`, "give whole pages of 4K from 1M to 3G")
  }
  const image = readGuest(path, memoryBytes, "image")
  if (!leavesRoomForDeviceTree(image, { memoryBytes, cpus }))
    throw refuse("--memory", "the image leaves no room for the device tree at the end of RAM", "give more")
  const engine = new WasmEngine({ memoryBytes, cpus })
  const { traceInstructions } = flags
  return new Board(
    traceInstructions === undefined
      ? engine
      : traceEngine(engine, { instructions: traceInstructions, print: (line) => console.error(line) }),
    image,
  )
}

function feed(board: Board, path: string): void {
  const bytes = readFile(path, "--stdin")
  const taken = board.console.feed(bytes)
  if (taken < bytes.length) throw refuse("--stdin", `${path} has ${bytes.length} bytes`, `give at most ${taken}`)
}

function refuse(field: string, reason: string, remedy: string): CommandFailure {
  return bad(field, `${reason}; ${remedy}`)
}

function drive(board: Board, flags: GuestFlags, emit: (bytes: Uint8Array) => void): Outcome {
  const instructionsMax = flags.maxInstructions ?? Infinity
  const deadline = flags.timeout === undefined ? Infinity : performance.now() + flags.timeout * 1000
  for (;;) {
    const left = instructionsMax - board.instructions()
    if (left <= 0) return { exit: EXIT_LIMIT, reason: "limit" }
    const stop = board.run(Math.min(left, CHUNK_INSTRUCTIONS))
    emit(board.console.takeOutput())
    if (stop.kind !== "budget") return outcomeOf(stop)
    if (performance.now() >= deadline) return { exit: EXIT_LIMIT, reason: "timeout" }
  }
}

function outcomeOf(stop: Exclude<BoardStop, { kind: "budget" }>): Outcome {
  switch (stop.kind) {
    case "end":
      return { exit: stop.code, reason: stop.reason }
    case "idle":
      return { exit: EXIT_LIMIT, reason: "idle", message: "every hart waits, no timer is set and no input is left" }
    case "stuck":
      return { exit: EXIT_LIMIT, reason: "stuck", message: stop.detail }
  }
}

const round = (value: number): number => Math.round(value * 1e4) / 1e4
