/**
 * A person at the shell of a guest whose machine is being hurt: saves files, and looks at them in the end. What the guest called saved must be there,
 * whatever was killed meanwhile; what it said nothing of, because it was booted again in the middle, may be there or not.
 */
import type { ConsolePort } from "./vm-client.ts"
import type { VmView } from "@backplane/trap-contract/vm-operator-messages"
import { CommandFailure } from "./failure.ts"

/** What the writer needs of the machine. */
export interface WriterPort extends Omit<ConsolePort, "unread"> {
  find(vm: string): Promise<VmView | null>
}

const FILES = 6
const POLL_MILLISECONDS = 50
/** A line that nobody answers for so long is typed again: its guest was booted anew, or the line went with its node. */
const PATIENCE_MILLISECONDS = 8_000
/** A shell that does not answer for so long is gone. */
const SILENCE_MILLISECONDS = 90_000
const TAIL_CHARACTERS = 8_192

/** Values that a file may have: the last acknowledged, and those since then of which nothing was heard. */
interface FileRecord {
  saved: string | null
  readonly unsure: Set<string>
}

export class ShellWriter {
  readonly #port: WriterPort
  readonly #vm: string
  readonly #patience: number
  readonly #files = Array.from({ length: FILES }, (): FileRecord => ({ saved: null, unsure: new Set() }))
  #at = 0
  #heard = ""
  #lines = 0
  #acknowledged = 0
  #isOver = false

  constructor(port: WriterPort, vm: string, patienceMilliseconds = PATIENCE_MILLISECONDS) {
    this.#port = port
    this.#vm = vm
    this.#patience = patienceMilliseconds
  }

  /** Saves that the guest has acknowledged. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  stop(): void {
    this.#isOver = true
  }

  /** Saves one value after another until it is stopped. */
  async run(): Promise<void> {
    await this.#say("format", () => this.#isOver)
    for (let turn = 0; !this.#isOver; turn++) {
      const record = this.#files[turn % FILES]
      if (record === undefined) continue
      const value = `v${turn}`
      record.unsure.add(value)
      const answer = await this.#say(`save f${turn % FILES} ${value}`, () => this.#isOver)
      if (answer === null || answer.includes("save:")) continue
      record.saved = value
      record.unsure.clear()
      this.#acknowledged++
    }
  }

  /** What the guest does not have as it said: empty where all is well. */
  async lost(): Promise<readonly string[]> {
    const found: string[] = []
    for (const [index, { saved, unsure }] of this.#files.entries()) {
      if (saved === null) continue
      const answer = (await this.#say(`cat f${index}`, () => false)) ?? ""
      const isThere = [saved, ...unsure].some((value) => answer.split(/\r?\n/).some((line) => line.trim() === value))
      if (!isThere) found.push(`f${index} was saved as ${saved}, and the guest has ${JSON.stringify(answer.trim())}`)
    }
    return found
  }

  /** Powers the guest off. */
  async halt(): Promise<void> {
    await this.#type("halt\n")
  }

  /** What the guest wrote between the line and its end; null: it is over with. Typed again where nothing is heard. */
  async #say(line: string, isOver: () => boolean): Promise<string | null> {
    for (const deadline = Date.now() + SILENCE_MILLISECONDS; Date.now() < deadline;) {
      const mark = `done-${++this.#lines}`
      this.#heard = ""
      await this.#type(`${line}; echo ${mark}\n`)
      const answer = await this.#until(mark)
      if (answer !== null) return answer
      if (isOver()) return null
    }
    const state = (await this.#port.find(this.#vm))?.state ?? "gone"
    throw new CommandFailure(
      "silent",
      `the shell of ${this.#vm} has not answered "${line}" for ${SILENCE_MILLISECONDS / 1000} s; the VM is ${state}`,
    )
  }

  async #until(mark: string): Promise<string | null> {
    const end = new RegExp(`\\n${mark}\\r?\\n`)
    for (const deadline = Date.now() + this.#patience; Date.now() < deadline;) {
      const { from, bytes, state } = await this.#quietly(() => this.#port.read(this.#vm, this.#at), {
        from: this.#at,
        bytes: new Uint8Array(0),
        state: "placing",
      })
      this.#at = from + bytes.length
      this.#heard = (this.#heard + Buffer.from(bytes).toString("latin1")).slice(-TAIL_CHARACTERS)
      const at = this.#heard.search(end)
      if (at >= 0) return this.#heard.slice(this.#heard.indexOf("\n") + 1, at + 1)
      if (bytes.length === 0 || state !== "running") await sleep(POLL_MILLISECONDS)
    }
    return null
  }

  async #type(text: string): Promise<void> {
    let rest: Uint8Array = Buffer.from(text, "latin1")
    for (const deadline = Date.now() + this.#patience; rest.length > 0 && Date.now() < deadline;) {
      const { taken } = await this.#quietly(() => this.#port.type(this.#vm, rest), { taken: 0, state: "placing" })
      rest = rest.subarray(taken)
      if (taken === 0) await sleep(POLL_MILLISECONDS)
    }
  }

  /** A hypervisor that is away does not answer: that is what it is hurt for. */
  async #quietly<T>(ask: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      if (error instanceof CommandFailure && error.kind === "no-answer") return otherwise
      throw error
    }
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
