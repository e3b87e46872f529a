/** The teaching kernel's terminal: what is typed, how fast ever, arrives; what is taken back does not. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { Board } from "@backplane/trap-board/board"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readImage } from "@backplane/compute-image/image"
import { kernelPath } from "@backplane/guests/build-kernel"

const MEMORY_BYTES = 16 << 20
const INSTRUCTIONS_MAX = 60_000_000
const CONTROL_C = "\x03"
const CONTROL_D = "\x04"
const CONTROL_U = "\x15"

function shell(bootArguments = "") {
  const image = readImage(readFileSync(kernelPath({ name: "kernel" })), {
    memory: { base: 0x8000_0000n, bytes: BigInt(MEMORY_BYTES) },
    symbols: [],
  })
  if (image.kind === "rejection") throw new Error(image.reason)
  const board = new Board(new WasmEngine({ memoryBytes: MEMORY_BYTES, cpus: 2 }), image, { bootArguments })
  return {
    /** Types all of it at once; what the guest says until it waits again. */
    type(text: string): string {
      expect(board.console.feed(new TextEncoder().encode(text))).toBe(text.length)
      const stop = board.run(INSTRUCTIONS_MAX)
      expect(["idle", "end"]).toContain(stop.kind)
      return new TextDecoder().decode(board.console.takeOutput()).replaceAll("\r\n", "\n")
    },
  }
}

describe("the shell's terminal", { timeout: 60_000 }, () => {
  it("a paste of far more than UART and line buffer hold loses nothing, in order", () => {
    const text = Array.from({ length: 120 }, (_, line) => `line ${line} of a long paste\n`).join("")
    const sum = [...text].reduce((before, letter) => (before * 31 + letter.charCodeAt(0)) % 1_000_000_007, 0)
    expect(shell().type(`count\n${text}${CONTROL_D}`)).toContain(`count: lines=120 bytes=${text.length} sum=${sum}\n`)
  })

  it("backspace takes back a character, Ctrl-U the line, and neither what stands before it", () => {
    const terminal = shell()
    terminal.type("")
    expect(terminal.type("\x7f\x7fecho abX\x7fc\n")).toContain("\nabc\n$ ")
    expect(terminal.type(`echo wrong${CONTROL_U}echo right\n`)).toContain("\nright\n$ ")
  })

  it("Ctrl-C ends what runs and gives the shell back; Ctrl-D ends the input of a program", () => {
    const terminal = shell()
    terminal.type("")
    expect(terminal.type(`cat\n`)).not.toContain("\n$ ")
    expect(terminal.type(`copied\n`)).toContain("copied\ncopied\n")
    expect(terminal.type(CONTROL_D)).toContain("$ ")
    expect(terminal.type(`cat\n`)).not.toContain("\n$ ")
    expect(terminal.type(CONTROL_C)).toContain("^C\n$ ")
    expect(terminal.type("echo alive\n")).toContain("\nalive\n$ ")
  })

  it("a program in the background leaves the shell to others", () => {
    const terminal = shell()
    terminal.type("")
    const said = terminal.type("sleep 50 & echo first; ps; wait; echo last\n")
    expect(said).toMatch(/\nfirst\n(?:.*\n)*\d+ sleep sleeping parent=1 .*\n(?:.*\n)*last\n\$ $/)
  })

  it("a line that ends with a program in the background ends there, whatever was typed before it", () => {
    const terminal = shell()
    terminal.type("")
    terminal.type("echo a line that is long enough to be found again behind a short one\n")
    expect(terminal.type("true &\n")).toBe("true &\n$ ")
    expect(terminal.type("wait; ps\n")).toMatch(/\n1 shell sleeping /)
  })

  it("boots with commands of its own, before it asks for more", () => {
    const terminal = shell("start=echo first; beat 10 3 &")
    expect(terminal.type("")).toMatch(/\nfirst\n(?:.*\n)*\$ $/)
    expect(terminal.type("wait; echo last\n")).toContain("\nlast\n$ ")
    expect(shell("start=beat 50 2 &").type("ps; wait; echo last\n")).toMatch(/\n\d+ beat sleeping parent=1 .*\n(?:.*\n)*last\n\$ $/)
  })
})
