/**
 * What the office knows, on disk: written whole, by rename, so that a crash leaves the old or the new, never a part.
 *
 * It belongs to one run of the stack (named by its supervisor's pid): a hypervisor that is restarted within the run finds its machines,
 * a new run begins with none and clears away what the machines of the old one had kept. What a machine kept goes with it
 * (`forget`), or the next one of its name would take it for its own.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { KeptMachine } from "@backplane/cluster-hosting/hosting"
import { machineSpecOf } from "@backplane/scenario-machine/resolve"

export type KeptEntry = KeptMachine & {
  /** Unix milliseconds of virtual time 0. */
  readonly origin: number
}

interface FileContent {
  readonly run: string
  readonly machines: readonly KeptEntry[]
}

export class OfficeFile {
  readonly #folder: string | null
  readonly #run: string
  #last = ""

  constructor(folder: string | null, run: string) {
    this.#folder = folder
    this.#run = run
  }

  /** Nothing where there is no file. A damaged file is an error: machines would be forgotten in silence. */
  read(): readonly KeptEntry[] {
    if (this.#folder === null || !existsSync(this.#path())) return []
    const { run, machines } = this.#parse()
    if (run === this.#run) return machines
    for (const { spec } of machines) rmSync(join(this.#folder, spec.name), { recursive: true, force: true })
    return []
  }

  #path(): string {
    return join(this.#folder ?? ".", "machines.json")
  }

  #parse(): FileContent {
    try {
      const { run, machines } = JSON.parse(readFileSync(this.#path(), "utf8")) as FileContent
      return { run, machines: machines.map((entry) => ({ ...entry, spec: machineSpecOf(entry.spec) })) }
    } catch (error) {
      throw new Error(`${this.#path()} is damaged (${String(error)}): remove it to begin without the machines of before`)
    }
  }

  /** The machine has ended: what its actors kept here goes too. */
  forget(machine: string): void {
    // A write that was under way when its actor went may still make a file: then once more.
    if (this.#folder !== null) rmSync(join(this.#folder, machine), { recursive: true, force: true, maxRetries: 3 })
  }

  write(machines: readonly KeptEntry[]): void {
    const text = JSON.stringify({ run: this.#run, machines } satisfies FileContent)
    if (this.#folder === null || text === this.#last) return
    this.#last = text
    mkdirSync(this.#folder, { recursive: true })
    writeFileSync(`${this.#path()}.new`, text)
    renameSync(`${this.#path()}.new`, this.#path())
  }
}
