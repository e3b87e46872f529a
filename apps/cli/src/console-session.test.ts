/** The terminal at a console, with a guest that reads slowly. */
import { spawnSync } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { ConsoleSession, QUIET_MILLISECONDS } from "./console-session.ts"
import type { ConsolePort } from "./vm-client.ts"

/** Echoes what it takes, at most `room` bytes at a time, every other time nothing. */
class SlowGuest implements ConsolePort {
  written = new Uint8Array(0)
  state: "running" | "ended" | "lost" = "running"
  /** What it has in front of it and has not read, at each look. */
  unreads: number[] = []
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

  async unread() {
    return (this.unreads.length > 1 ? this.unreads.shift() : this.unreads[0]) ?? 0
  }

  async type(_vm: string, bytes: Uint8Array) {
    await new Promise((resolve) => setImmediate(resolve))
    const taken = this.#turn++ % 2 === 0 ? 0 : Math.min(this.#room, bytes.length)
    this.written = Uint8Array.from([...this.written, ...bytes.subarray(0, taken)])
    return { taken, state: this.state }
  }
}

function session(
  guest: SlowGuest,
  { isTerminal = false, restartable = false, quietMilliseconds = QUIET_MILLISECONDS, onSleep = (_sleeps: number): void => undefined } = {},
) {
  const out: number[] = []
  const holds: boolean[] = []
  let sleeps = 0
  const made = new ConsoleSession(
    guest,
    { name: "vm", restartable },
    {
      output: (bytes) => void out.push(...bytes),
      hold: isTerminal ? null : (hold) => holds.push(hold),
      quietMilliseconds,
      sleep: () => {
        if (++sleeps > 100_000) throw new Error("sleeps for ever")
        onSleep(sleeps)
        return new Promise((resolve) => setImmediate(resolve))
      },
    },
  )
  return { guest, made, holds, text: () => Buffer.from(out).toString() }
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
    made.input(bytes("before, and longer than the guest takes at a time\x1dafter"))
    expect(await end).toEqual({ kind: "left" })
    // The process ends now: what is not typed by then never will be.
    expect([Buffer.from(guest.written).toString(), made.untyped]).toEqual(["before, and longer than the guest takes at a time", 0])
  })

  it(
    "Ctrl-] leaves a guest that takes nothing, after a while or when it is given again, and says what was not typed",
    { timeout: 60_000 },
    async () => {
      const ends = [false, true].map(async (twice) => {
        const { made } = session(new SlowGuest(0))
        const end = made.run()
        made.input(bytes("to nobody\x1d"))
        if (twice) made.input(bytes("more\x1d"))
        return [await end, made.untyped]
      })
      expect(await Promise.all(ends)).toEqual([[{ kind: "left" }, 9], [{ kind: "left" }, 9]]) // prettier-ignore
    },
  )

  it("hears a person whose paste nobody takes, keeps a megabyte of it and counts the rest", async () => {
    const { made, holds } = session(new SlowGuest(0), { isTerminal: true })
    const end = made.run()
    for (let piece = 0; piece < 5; piece++) made.input(new Uint8Array(300_000).fill(0x61))
    expect([holds, made.untyped]).toEqual([[], 1_500_000])
    made.input(Uint8Array.of(0x1d))
    made.input(Uint8Array.of(0x1d))
    expect([await end, made.untyped]).toEqual([{ kind: "left" }, 1_500_000])
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

  it.each([
    [QUIET_MILLISECONDS, false],
    [10_000, true],
  ])("a guest that is silent for seconds before it answers, where %i ms are waited for a word", async (quietMilliseconds, isHeard) => {
    const guest = new SlowGuest(5, "$ ")
    // Five seconds: a look takes 200 ms.
    const onSleep = (sleeps: number): void => {
      if (sleeps === 25) guest.written = Uint8Array.from([...guest.written, ...bytes("late")])
    }
    const { made, text } = session(guest, { quietMilliseconds, onSleep })
    const end = made.run()
    await made.inputEnded()
    expect([await end, text().includes("late")]).toEqual([{ kind: "input-ended" }, isHeard])
  })

  it("a quiet guest that has more to read is not left before it has read it, and given up when it reads no more", async () => {
    const guest = new SlowGuest(100, "$ ")
    const slow = session(guest)
    const end = slow.made.run()
    guest.unreads = [900, 400, 0]
    void slow.made.inputEnded()
    expect([await end, slow.made.untyped, guest.unreads]).toEqual([{ kind: "input-ended" }, 0, [0]])

    const deaf = session(new SlowGuest(100, "$ "))
    deaf.guest.unreads = [7]
    const stalled = deaf.made.run()
    void deaf.made.inputEnded()
    expect([await stalled, deaf.made.untyped]).toEqual([{ kind: "stalled", state: "running" }, 7])
  })

  it("a hypervisor that does not answer ends it with that; once it is over, nobody minds", async () => {
    class Cut extends SlowGuest {
      asked = 0
      override async type(): Promise<never> {
        await new Promise((resolve) => setImmediate(resolve))
        this.asked++
        throw new Error("no answer")
      }
    }
    const open = session(new Cut(1))
    const end = open.made.run()
    open.made.input(bytes("hello"))
    await expect(end).rejects.toThrow("no answer")

    const guest = new Cut(1)
    const closed = session(guest)
    const left = closed.made.run()
    closed.made.input(bytes("hello"))
    closed.made.leave()
    expect([await left, closed.made.untyped]).toEqual([{ kind: "left" }, 5])
    await until(() => guest.asked === 1) // and its failure was nobody's
  })

  it("types no more when it has given up a guest that takes nothing", async () => {
    const guest = new SlowGuest(0, "zz")
    const { made } = session(guest)
    const end = made.run()
    made.input(bytes("hello"))
    void made.inputEnded()
    await end
    let asked = 0
    guest.type = async () => {
      asked++
      return { taken: 0, state: "running" }
    }
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect([made.untyped, asked <= 1]).toEqual([5, true])
  })

  it("input from a file: a terminal at a VM that is over ends by itself", () => {
    const module = JSON.stringify(new URL("console-terminal.ts", import.meta.url).href)
    const port = `{ read: async (_, from) => ({ from, bytes: new Uint8Array(0), state: "ended" }), type: async () => ({ taken: 0, state: "ended" }) }`
    const program = `const { attachTerminal } = await import(${module}); console.log((await attachTerminal(${port}, { name: "vm", restartable: false })).kind)`
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

  it("goes on with a VM that was lost with its node and boots again, and ends with one that does not", async () => {
    const [comesBack, stays] = [true, false].map((restartable) => session(new SlowGuest(10, "before\n"), { restartable }))
    const [end, over] = [comesBack!.made.run(), stays!.made.run()]
    for (const { guest } of [comesBack!, stays!]) guest.state = "lost"
    expect(await over).toEqual({ kind: "over", state: "lost" })
    comesBack!.made.input(bytes("typed meanwhile"))
    comesBack!.guest.state = "running"
    await until(() => comesBack!.text() === "before\ntyped meanwhile")
    comesBack!.made.input(Uint8Array.of(0x1d))
    expect(await end).toEqual({ kind: "left" })
  })

  it("ends when the VM is over, with all that it wrote", async () => {
    const guest = new SlowGuest(10, "last words")
    guest.state = "ended"
    const { made, text } = session(guest)
    expect(await made.run()).toEqual({ kind: "over", state: "ended" })
    expect(text()).toBe("last words")
  })
})
