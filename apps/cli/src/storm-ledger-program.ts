/** The simulator's `storm-live-ledger`: one process for all machines of a storm, since it takes longer to start than to add up. */
import { spawn, type ChildProcessByStdio } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Readable, Writable } from "node:stream"
import { ROOT } from "./checkout.ts"
import { CommandFailure } from "./failure.ts"

type Waiting = readonly [done: (line: string) => void, failed: (error: Error) => void]

export class StormLedgerProgram<Outcome, Ledger> {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  /** Answers come in the order of the questions. */
  readonly #waiting: Waiting[] = []

  constructor(simulator: string) {
    this.#child = spawn(process.execPath, [join(ROOT, simulator), "storm-live-ledger"], { stdio: ["pipe", "pipe", "inherit"] })
    this.#child.stdin.on("error", () => undefined) // it ended: said below
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#waiting.shift()?.[0](line))
    this.#child.on("close", () => {
      for (const [, failed] of this.#waiting.splice(0))
        failed(new CommandFailure("ledger", "what was run could not be added up; see above"))
    })
  }

  async add(outcome: Outcome): Promise<Ledger> {
    if (this.#child.exitCode !== null) throw new CommandFailure("ledger", "what was run could not be added up; see above")
    const line = await new Promise<string>((...waiting) => {
      this.#waiting.push(waiting)
      this.#child.stdin.write(`${JSON.stringify(outcome)}\n`)
    })
    return JSON.parse(line) as Ledger
  }

  end(): void {
    this.#child.stdin.end()
  }
}
