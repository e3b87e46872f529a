import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Width } from "../device.ts"
import { Uart } from "./uart.ts"
import { UART_RESET } from "./uart-registers.ts"

function newUart() {
  const sent: number[] = []
  const drives: boolean[] = []
  const uart = new Uart({ interrupt: (level) => drives.push(level), output: (byte) => sent.push(byte) }, UART_RESET)
  const load = (offset: number) => Number(uart.load(offset, 1))
  const store = (offset: number, value: number) => uart.store(offset, 1, BigInt(value))
  return { uart, sent, drives, load, store, wire: () => drives.at(-1) ?? false }
}

describe("UART", () => {
  it("a byte stored to THR leaves at once, and LSR says that there is room for the next", () => {
    const { store, load, sent } = newUart()
    store(0, 0x41)
    expect(sent).toEqual([0x41])
    expect(load(5)).toBe(0x60)
  })

  it("enabling the THR-empty interrupt raises it; reading IIR lowers it; the next byte raises it again", () => {
    const { store, load, wire } = newUart()
    store(1, 2)
    expect([wire(), load(2), wire(), load(2)]).toEqual([true, 2, false, 1])
    store(0, 0x41)
    expect(wire()).toBe(true)
  })

  it("writing THR drives the wire low and high again, so that an edge is seen although nobody read IIR", () => {
    const { store, drives } = newUart()
    store(1, 2)
    drives.length = 0
    store(0, 0x41)
    expect(drives).toEqual([false, true])
  })

  it("reading IIR while it shows received data leaves THR-empty pending", () => {
    const { uart, store, load } = newUart()
    store(1, 3)
    uart.receive(0x61)
    expect([load(2), load(0), load(2), load(2)]).toEqual([4, 0x61, 2, 1])
  })

  it("polling LSR drives nothing", () => {
    const { store, load, drives } = newUart()
    store(1, 3)
    drives.length = 0
    load(5)
    expect(drives).toEqual([])
  })

  it("a byte that came before IER was set interrupts when it is set", () => {
    const { uart, store, wire } = newUart()
    uart.receive(0x61)
    expect(wire()).toBe(false)
    store(1, 1)
    expect(wire()).toBe(true)
  })

  it("below the trigger level received bytes show as a time-out, at it as received data", () => {
    const { uart, store, load } = newUart()
    store(2, 0x41)
    store(1, 1)
    uart.receive(1)
    expect(load(2)).toBe(0xcc)
    for (const byte of [2, 3, 4]) uart.receive(byte)
    expect(load(2)).toBe(0xc4)
  })

  it("the FIFO holds 16 bytes in order; one more is an overrun that LSR shows once", () => {
    const { uart, store, load } = newUart()
    store(2, 1)
    for (let byte = 0; byte < 16; byte += 1) uart.receive(byte)
    expect(uart.room()).toBe(0)
    uart.receive(99)
    expect([load(5), load(5)]).toEqual([0x63, 0x61])
    expect(Array.from({ length: 17 }, () => load(0))).toEqual([...Array.from({ length: 16 }, (_, index) => index), 0])
    expect(load(5)).toBe(0x60)
  })

  it("with DLAB offsets 0 and 1 are the divisor and send nothing", () => {
    const { store, load, sent } = newUart()
    store(3, 0x80)
    store(0, 3)
    store(1, 0)
    expect([load(0), load(1), sent.length]).toEqual([3, 0, 0])
    store(3, 3)
    expect([load(1), load(3)]).toEqual([0, 3])
  })

  it("a driver's probe sees a 16550A: scratch register, FIFO bits, loop-back of the modem lines and of data", () => {
    const { store, load, sent } = newUart()
    store(7, 0x5a)
    store(2, 1)
    store(4, 0x1a)
    store(0, 0x33)
    expect([load(7), load(2) >> 6, load(6) & 0xf0, load(0), sent.length]).toEqual([0x5a, 3, 0x90, 0x33, 0])
  })

  it("a checkpoint taken in the middle goes on in the same way", () => {
    const { uart, store } = newUart()
    store(1, 1)
    uart.receive(7)
    const drives: boolean[] = []
    const copy = new Uart({ interrupt: (level) => drives.push(level), output: () => {} }, uart.capture())
    expect([copy.load(2, 1), copy.load(0, 1), drives]).toEqual([4n, 7n, [false]])
  })

  it("any access at any offset has an answer that fits its width", () => {
    const access = fc.tuple(fc.nat(300), fc.constantFrom<Width>(1, 2, 4, 8), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.boolean())
    fc.assert(
      fc.property(fc.array(access, { maxLength: 50 }), (accesses) => {
        const { uart } = newUart()
        for (const [offset, width, value, stores] of accesses) {
          if (stores) uart.store(offset, width, value)
          else expect(uart.load(offset, width)).toBeLessThan(256n)
        }
      }),
    )
  })
})
