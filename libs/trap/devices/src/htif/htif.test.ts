import { expect, it } from "vitest"
import { decodeTohost, readReply } from "./htif.ts"

it("an odd word of device 0 ends the machine with the word shifted", () => {
  expect(decodeTohost(1n)).toEqual({ kind: "exit", code: 0n })
  expect(decodeTohost(1337n)).toEqual({ kind: "exit", code: 668n })
})

it("zero asks for nothing", () => {
  expect(decodeTohost(0n)).toEqual({ kind: "none" })
})

it("device 1 is a console", () => {
  expect(decodeTohost(0x0101_0000_0000_0041n)).toEqual({ kind: "write-byte", byte: 0x41, reply: 0x0101n << 48n })
  expect(decodeTohost(0x0100n << 48n)).toEqual({ kind: "read-byte" })
  expect(readReply(0x41)).toBe(0x0100_0000_0000_0141n)
})

it("a proxied system call and an unknown device are named, not guessed", () => {
  expect(decodeTohost(0x8000_1000n)).toEqual({ kind: "unsupported", device: 0, command: 0 })
  expect(decodeTohost(0x0203_0000_0000_0001n)).toEqual({ kind: "unsupported", device: 2, command: 3 })
})
