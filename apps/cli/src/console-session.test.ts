/** The terminal at a console, with a guest that reads slowly. */
import { spawnSync } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { ConsoleSession } from "./console-session.ts"
import type { ConsolePort } from "./vm-client.ts"

/** Echoes what it takes, at most `room` bytes at a time, every other time nothing. */
class SlowGuest implements ConsolePort {
  written = new Uint8Array(0)
  state: "running" | "ended" = "running"
  readonly #room: number
  #turn = 0

  constructor(room: number, history = "") {
    this.#room = room
    this.written = new TextEncoder().encode(history)
  }

  async read(_vm: string, from: number) {
    await new Promise((resolve) => setImmediate(resolve))
    return { from, bytes: this.written.slice(from, from + 100), state: this.state }
  }

  async type(_vm: string, bytes: Uint8Array) {
    await new Promise((resolve) => setImmediate(resolve))
    const taken = this.#turn++ % 2 === 0 ? 0 : Math.min(this.#room, bytes.length)
    this.written = Uint8Array.from([...this.written, ...bytes.subarray(0, taken)])
    return { taken, state: this.state }
  }
}

function session(guest: SlowGuest) {
  const out: number[] = []
  const holds: boolean[] = []
  let sleeps = 0
  const made = new ConsoleSession(guest, "vm", {
    output: (bytes) => void out.push(...bytes),
    hold: (hold) => holds.push(hold),
    sleep: () => {
      if (++sleeps > 100_000) throw new Error("sleeps for ever")
      return new Promise((resolve) => setImmediate(resolve))
    },
  })
  return { made, holds, text: () => Buffer.from(out).toString() }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const until = async (isSo: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 100_000 && !isSo(); tries++) await new Promise((resolve) => setImmediate(resolve))
  expect(isSo()).toBe(true)
}

describe("a console session", () => {
  it("shows what was written before, loses nothing of a paste, and holds the typist while too much waits", async () => {
    const guest = new SlowGuest(1000, "earlier\n")
    const { made, holds, text } = session(guest)
    const end = made.run()
    const paste = "0123456789".repeat(10_000)
    made.input(bytes(paste))
    expect(holds).toEqual([true])
    await until(() => made.hasTyped && text().length === paste.length + 8)
    made.input(Uint8Array.of(0x1d))
    expect(await end).toEqual({ kind: "left" })
    expect(text()).toBe(`earlier\n${paste}`)
    expect(holds).toEqual([true, false])
  })

  it("Ctrl-] leaves in the middle: what came before it is typed, what comes after is not", async () => {
    const guest = new SlowGuest(10)
    const { made } = session(guest)
    const end = made.run()
    made.input(bytes("before\x1dafter"))
    await end
    await until(() => made.hasTyped)
    expect(Buffer.from(guest.written).toString()).toBe("before")
  })

  it("input from a pipe: typed to its end by a slow guest, heard out, and then it is over", async () => {
    const guest = new SlowGuest(10, "shell\n")
    const { made, text } = session(guest)
    const end = made.run()
    const input = "a line of a script\n".repeat(50)
    made.input(bytes(input))
    void made.inputEnded()
    expect([await end, made.untyped]).toEqual([{ kind: "input-ended" }, 0])
    expect(text()).toBe(`shell\n${input}`)
  })

  it("input from a pipe: a guest that never stops talking is left, and one that takes nothing is named", async () => {
    class Chatty extends SlowGuest {
      override async read(vm: string, from: number) {
        this.written = Uint8Array.from([...this.written, 0x2e])
        return super.read(vm, from)
      }
    }
    const chatty = session(new Chatty(100))
    const end = chatty.made.run()
    chatty.made.input(bytes("hush\n"))
    void chatty.made.inputEnded()
    expect([await end, chatty.text()]).toEqual([{ kind: "input-ended" }, expect.stringContaining("hush")])

    const deaf = session(new SlowGuest(0, "zz"))
    const stalled = deaf.made.run()
    deaf.made.input(bytes("hello"))
    void deaf.made.inputEnded()
    expect([await stalled, deaf.made.untyped]).toEqual([{ kind: "stalled", state: "running" }, 5])
  })

  it("input from a file: a terminal at a VM that is over ends by itself", () => {
    const module = JSON.stringify(new URL("console-terminal.ts", import.meta.url).href)
    const port = `{ read: async (_, from) => ({ from, bytes: new Uint8Array(0), state: "ended" }), type: async () => ({ taken: 0, state: "ended" }) }`
    const program = `const { attachTerminal } = await import(${module}); console.log((await attachTerminal(${port}, "vm")).kind)`
    for (const input of [import.meta.filename, "/dev/null"]) {
      const file = openSync(input, "r")
      const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
        stdio: [file, "pipe", "pipe"],
        encoding: "utf8",
      })
      closeSync(file)
      expect({ input, stdout, stderr }).toEqual({ input, stdout: "over\n", stderr: "" })
    }
  })

  it("ends when the VM is over, with all that it wrote", async () => {
    const guest = new SlowGuest(10, "last words")
    guest.state = "ended"
    const { made, text } = session(guest)
    expect(await made.run()).toEqual({ kind: "over", state: "ended" })
    expect(text()).toBe("last words")
  })
})
