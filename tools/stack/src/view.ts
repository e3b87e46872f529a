/** How the front shows a stack: a table that is redrawn on a terminal, plain lines elsewhere. */
import type { ProcessState, StackState } from "./stack-state.ts"

export interface View {
  line(text: string): void
  state(state: StackState): void
  ready(state: StackState, detached: boolean): void
  fail(reason: string): void
  close(): void
}

export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export function createView(screen: Screen): View {
  return screen.isTTY === true ? new TableView(screen) : new LineView(screen)
}

class LineView implements View {
  readonly #screen: Screen

  constructor(screen: Screen) {
    this.#screen = screen
  }

  line(text: string): void {
    this.#screen.write(`${text}\n`)
  }

  state(): void {}

  ready(state: StackState, detached: boolean): void {
    this.#screen.write(`\n${whereToLook(state, detached).join("\n")}\n`)
  }

  fail(reason: string): void {
    this.#screen.write(`failed: ${reason}\n`)
  }

  close(): void {}
}

/** Draws over its last table; what is worth keeping scrolls above it. */
class TableView implements View {
  readonly #screen: Screen
  #drawn = 0
  #last: readonly string[] = []

  constructor(screen: Screen) {
    this.#screen = screen
  }

  line(text: string): void {
    this.#erase()
    this.#screen.write(`${text}\n`)
    this.#draw()
  }

  state(state: StackState): void {
    const before = this.#last.join("\n")
    this.#last = [
      "",
      ...tableOf(state.processes),
      ...(state.phase === "ready" ? ["", ...whereToLook(state, false)] : ["", `${state.phase} …`]),
    ]
    if (this.#last.join("\n") === before) return
    this.#erase()
    this.#draw()
  }

  ready(state: StackState, detached: boolean): void {
    this.#last = ["", ...tableOf(state.processes), "", ...whereToLook(state, detached)]
    this.#erase()
    this.#draw()
  }

  fail(reason: string): void {
    this.line(`failed: ${reason}`)
  }

  close(): void {
    this.#drawn = 0
  }

  #erase(): void {
    if (this.#drawn > 0) this.#screen.write(`\x1b[${this.#drawn}A\x1b[J`)
    this.#drawn = 0
  }

  #draw(): void {
    // Some terminals say 0 before they know.
    const width = this.#screen.columns || 80
    // A wrapped line would take two rows and spoil the count.
    for (const line of this.#last) this.#screen.write(`${line.slice(0, width - 1)}\n`)
    this.#drawn = this.#last.length
  }
}

/** One line per process: name, phase, pid, restarts, why it last ended. */
export function tableOf(processes: readonly ProcessState[]): readonly string[] {
  const rows = processes.map(({ name, phase, pid, restarts, lastExit, cutOff }) => [
    name,
    cutOff ? `${phase}, cut off` : phase,
    pid === null ? "-" : `pid ${pid}`,
    restarts === 0 ? "" : `${restarts} restart${restarts === 1 ? "" : "s"}${lastExit === null ? "" : ` (last: ${lastExit})`}`,
  ])
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  )
}

export function whereToLook(state: StackState, detached: boolean): readonly string[] {
  const hints = [
    `console   ${state.http.url}${state.http.token === null ? "" : "   (to act there: npx backplane token)"}`,
    `command   npx backplane --help`,
    `bus       ${state.nats.url}${state.nats.monitorUrl === null ? "" : `   monitoring ${state.nats.monitorUrl}`}`,
    `logs      npx nx run stack:logs -f`,
  ]
  return [`ready: ${state.processes.length} processes`, ...hints, detached ? "stop      npx nx run stack:down" : "stop      Ctrl-C"]
}
