/** The board on programs of a few instructions: interrupts, waiting, timers and ends, to the very instruction. */
import { describe, expect, it } from "vitest"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { encode } from "@backplane/compute-riscv/encode"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { Slot } from "@backplane/trap-csr/csr-file"
import { Board } from "./board.ts"
import { INSTRUCTIONS_PER_TICK } from "./machine-clock.ts"

const HANDLER = RAM_BASE + 0x400n
const SRET = 0x10200073
const MRET = 0x30200073
const WFI = 0x10500073
const forever = encode("jal", { rd: 0, immediate: 0 })
const addOne = (register: number): number => encode("addi", { rd: register, rs1: register, immediate: 1 })

function boardOf(code: readonly number[], options: { readonly cpus?: number; readonly handler?: readonly number[] } = {}): Board {
  const data = new Uint8Array(0x1000)
  data.set(new Uint8Array(Uint32Array.from(code).buffer))
  data.set(new Uint8Array(Uint32Array.from(options.handler ?? [forever]).buffer), Number(HANDLER - RAM_BASE))
  const segments = [{ address: RAM_BASE, data, memoryBytes: 0x1000n }]
  const engine = new WasmEngine({ memoryBytes: 1 << 20, cpus: options.cpus ?? 1 })
  return new Board(engine, { entry: RAM_BASE, start: "machine", segments, symbols: new Map() })
}

/** Sets CSR slots of hart 0 and tells the engine. */
function prepare(board: Board, slots: Readonly<Partial<Record<keyof typeof Slot, bigint>>>): void {
  const [hart] = board.harts
  for (const [name, value] of Object.entries(slots)) hart!.file.set(Slot[name as keyof typeof Slot], value)
  hart!.refreshProtection()
  hart!.refreshTranslation()
}

/** S-mode may use all memory. */
const OPEN = { pmpcfg0: 0x1fn, pmpaddr0: (1n << 54n) - 1n }
const SSIP = 2n
const MTIE = 0x80n

describe("interrupts", () => {
  it("one that sret enables is taken before the next instruction", () => {
    const board = boardOf([SRET, addOne(5), addOne(5), forever])
    // In S-mode with interrupts off, one pending; sret to S-mode turns them on.
    prepare(board, {
      ...OPEN,
      privilege: 1n,
      mstatus: 0x120n,
      mideleg: SSIP,
      mie: SSIP,
      mipSoftware: SSIP,
      stvec: HANDLER,
      sepc: RAM_BASE + 4n,
    })
    board.run(10)
    expect(board.harts[0]!.file.get(Slot.sepc)).toBe(RAM_BASE + 4n)
    expect(board.engine.readRegister(0, 5)).toBe(0n)
    expect(board.exits().get("interrupt-supervisor-software")).toBe(1)
  })

  it("one that mret to user mode enables is taken before the next instruction", () => {
    const board = boardOf([MRET, addOne(5), forever])
    prepare(board, { ...OPEN, mstatus: 0n, mie: 8n, mtvec: HANDLER, mepc: RAM_BASE + 4n })
    // msip of hart 0: off in M-mode without MIE, on below.
    const poke = boardOf([
      encode("lui", { rd: 6, immediate: 0x200_0000 }),
      addOne(7),
      encode("sw", { rs1: 6, rs2: 7 }),
      MRET,
      addOne(5),
      forever,
    ])
    prepare(poke, { ...OPEN, mie: 8n, mtvec: HANDLER, mepc: RAM_BASE + 16n })
    poke.run(20)
    expect(poke.harts[0]!.file.get(Slot.mepc)).toBe(RAM_BASE + 16n)
    expect(poke.engine.readRegister(0, 5)).toBe(0n)
    board.run(10)
    expect(board.engine.readRegister(0, 5)).toBe(1n)
  })

  it("a timer interrupts a tight loop at its very tick", () => {
    const ticks = 37
    const timer = [
      encode("lui", { rd: 6, immediate: 0x200_4000 }),
      encode("addi", { rd: 7, rs1: 0, immediate: ticks }),
      encode("sd", { rs1: 6, rs2: 7 }),
      forever,
    ]
    const board = boardOf(timer)
    prepare(board, { mstatus: 8n, mie: MTIE, mtvec: HANDLER })
    board.run(ticks * INSTRUCTIONS_PER_TICK)
    expect(board.exits().get("interrupt-machine-timer")).toBeUndefined()
    board.run(1)
    expect(board.exits().get("interrupt-machine-timer")).toBe(1)
    expect(board.time()).toBe(BigInt(ticks))
  })
})

describe("waiting", () => {
  it("goes to the next timer at once and wakes with interrupts off", () => {
    const timer = [
      encode("lui", { rd: 6, immediate: 0x200_4000 }),
      encode("lui", { rd: 7, immediate: 0x7000_0000 }),
      encode("sd", { rs1: 6, rs2: 7 }),
      WFI,
      addOne(5),
      forever,
    ]
    const board = boardOf(timer)
    prepare(board, { mie: MTIE })
    expect(board.run(5)).toEqual({ kind: "budget" })
    expect(board.engine.readRegister(0, 5)).toBe(1n)
    expect(board.time()).toBeGreaterThanOrEqual(0x7000_0000n)
  })

  it("without a timer holds the machine up as idle, and as stuck when the trap handler itself traps", () => {
    const idle = boardOf([WFI, forever])
    expect(idle.run(100)).toEqual({ kind: "idle" })
    const stuck = boardOf([0])
    expect(stuck.run(100)).toMatchObject({ kind: "stuck" })
  })

  it("of one hart leaves the others running, and time passes for all", () => {
    // Odd harts wait for ever.
    const board = boardOf(
      [encode("csrrs", { rd: 5, rs1: 0, immediate: 0xf14 }), encode("beq", { rs1: 5, rs2: 0, immediate: 8 }), WFI, addOne(6), forever],
      { cpus: 2 },
    )
    expect(board.run(200_000)).toEqual({ kind: "budget" })
    expect(board.engine.readInstret(1)).toBe(3n)
    expect(board.time()).toBeGreaterThan(BigInt(Math.floor(200_000 / INSTRUCTIONS_PER_TICK)) - 2n * 200n)
  })
})

describe("a hart", () => {
  it("that moves to another board in mid-run goes on with its registers and CSRs", () => {
    const code = [addOne(5), encode("csrrw", { rd: 6, rs1: 5, immediate: 0x340 }), encode("jal", { rd: 0, immediate: -8 })]
    const stayed = boardOf(code)
    stayed.run(1000)
    const from = boardOf(code)
    from.run(400)
    const to = boardOf(code)
    to.harts[0]!.restore(from.harts[0]!.capture())
    to.run(600)
    expect(to.harts[0]!.capture()).toEqual(stayed.harts[0]!.capture())
  })
})

describe("accesses outside RAM", () => {
  it("are access faults where no device answers", () => {
    for (const [instruction, cause] of [
      [encode("ld", { rd: 6, rs1: 5 }), 5n],
      [encode("sw", { rs1: 5, rs2: 6 }), 7n],
    ] as const) {
      const board = boardOf([encode("lui", { rd: 5, immediate: 0x4000_0000 }), instruction])
      prepare(board, { mtvec: HANDLER })
      board.run(3)
      const { file } = board.harts[0]!
      expect([file.get(Slot.mcause), file.get(Slot.mtval), file.get(Slot.mepc)]).toEqual([cause, 0x4000_0000n, RAM_BASE + 4n])
    }
  })
})
