/** The judges of `backplane chaos machine`: each finds what it is for. The whole command on a real stack is tools/stack's machine-chaos.system.test.ts. */
import type { GuestOutcome } from "@backplane/compute-contract/guest-state"
import type { RunResult } from "@backplane/trap-hypervisor/run-result"
import { describe, expect, it } from "vitest"
import { guestsApart, mayLose } from "./machine-chaos.ts"
import { ShellWriter, type WriterPort } from "./machine-chaos-writer.ts"

const NAME = "writer"
const PATIENCE_MILLISECONDS = 100

const ended = (exit: number, state: string) => ({ exit, state }) as unknown as GuestOutcome
const result = (guests: Readonly<Record<string, GuestOutcome>>): RunResult =>
  ({ guests, jobs: Object.fromEntries(Object.keys(guests).map((job) => [job, 1])) }) as unknown as RunResult

describe("how jobs ended", () => {
  const undisturbed = result({ a: ended(0, "aa"), b: ended(42, "bb") })

  it("is well where every guest ends as it does undisturbed", () => {
    expect(guestsApart(result({ b: ended(42, "bb"), a: ended(0, "aa") }), undisturbed)).toEqual([])
  })

  it("names a guest that ended in another state, with another exit, or not at all", () => {
    expect(guestsApart(result({ a: ended(0, "ab"), b: ended(42, "bb") }), undisturbed)).toEqual([
      expect.stringContaining("a ended with exit 0 in state ab"),
    ])
    expect(guestsApart(result({ a: ended(0, "aa"), b: ended(0, "bb") }), undisturbed)).toEqual([
      expect.stringContaining("b ended with exit 0"),
    ])
    expect(guestsApart(result({ a: ended(0, "aa") }), undisturbed)).toEqual(["b has not ended"])
  })
})

describe("what may lose a job", () => {
  const hurt = { at: 0, until: 300, process: "numa-node-1", fault: "kill" } as const

  it("is a node's death, or that nothing was heard of it for two seconds; never a scheduler's", () => {
    expect(mayLose([hurt])).toBe(true)
    expect(mayLose([{ ...hurt, fault: "pause" }])).toBe(false)
    expect(mayLose([{ ...hurt, fault: "pause", until: 2_500 }])).toBe(true)
    expect(mayLose([{ ...hurt, process: "cpu-scheduler-0" }])).toBe(false)
  })
})

/** A shell as our kernel's, whose disk keeps what was saved, or forgets it. */
class FakeGuest implements WriterPort {
  readonly disk = new Map<string, string>()
  readonly #mayForget: boolean
  #output = ""
  #typed = ""
  /** Lines that go with the node: neither done nor answered. */
  dropping = 0

  constructor({ forgets = false } = {}) {
    this.#mayForget = forgets
  }

  find = (): Promise<null> => Promise.resolve(null)

  read: WriterPort["read"] = async (_vm, from) => {
    await new Promise((resolve) => setTimeout(resolve, 1))
    return { from, bytes: Buffer.from(this.#output.slice(from), "latin1"), state: "running" }
  }

  type: WriterPort["type"] = (_vm, bytes) => {
    this.#typed += Buffer.from(bytes).toString("latin1")
    for (let end = this.#typed.indexOf("\n"); end >= 0; end = this.#typed.indexOf("\n")) {
      const line = this.#typed.slice(0, end)
      this.#typed = this.#typed.slice(end + 1)
      if (this.dropping > 0) this.dropping--
      else this.#line(line)
    }
    return Promise.resolve({ taken: bytes.length, state: "running" })
  }

  #line(line: string): void {
    this.#output += `$ ${line}\r\n`
    for (const [name, file, text] of line.split("; ").map((command) => command.split(" "))) {
      if (name === "save" && file !== undefined && text !== undefined) this.disk.set(file, text)
      if (name === "cat") this.#output += `${this.#mayForget ? "v-none" : (this.disk.get(file ?? "") ?? "no such file")}\r\n`
      if (name === "echo") this.#output += `${file}\r\n`
    }
  }
}

async function write(guest: FakeGuest, saves: number): Promise<ShellWriter> {
  const writer = new ShellWriter(guest, NAME, PATIENCE_MILLISECONDS)
  const writing = writer.run()
  while (writer.acknowledged < saves) await new Promise((resolve) => setTimeout(resolve, 1))
  writer.stop()
  await writing
  return writer
}

describe("the writer at a guest's shell", () => {
  it("finds everything that was saved", async () => {
    const writer = await write(new FakeGuest(), 15)
    expect(await writer.lost()).toEqual([])
    expect(writer.acknowledged).toBeGreaterThanOrEqual(15)
  })

  it("types again what went with a node", async () => {
    const guest = new FakeGuest()
    guest.dropping = 2
    expect(await (await write(guest, 3)).lost()).toEqual([])
  })

  it("names every file that a guest said it had saved and does not have", async () => {
    const writer = await write(new FakeGuest({ forgets: true }), 3)
    expect((await writer.lost()).length).toBeGreaterThanOrEqual(3)
  })
})
