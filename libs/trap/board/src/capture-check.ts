/**
 * What is wrong with a capture that came from elsewhere, beyond its schema: asked at the edge, so that a board may trust what it is given.
 */
import { decodedBytes, isBase64 } from "@backplane/foundation-base/base64"
import { PAGE_BYTES, RAM_BASE } from "@backplane/compute-contract/engine"
import type { BoardCapture, HartRecord } from "@backplane/compute-contract/guest-state"

const WORD_BYTES = 8

/** The field and what is wrong with it, or null for a capture that a board of this shape can go on with. */
export function captureProblem(capture: BoardCapture, shape: { readonly memoryBytes: number; readonly cpus: number }): string | null {
  const { memoryBytes, harts, turn, htif, console, pages } = capture
  const inMemory = (address: string): boolean => {
    const offset = BigInt(address) - RAM_BASE
    return offset >= 0n && offset + BigInt(WORD_BYTES) <= BigInt(memoryBytes)
  }
  if (memoryBytes !== shape.memoryBytes) return `memoryBytes: ${memoryBytes}, and the machine has ${shape.memoryBytes}`
  if (harts.length !== shape.cpus) return `harts: ${harts.length}, and the machine has ${shape.cpus}`
  if (turn >= harts.length) return `turn: there is no hart ${turn}`
  if (htif !== null && !inMemory(htif.tohost)) return "htif.tohost: it lies outside RAM"
  if (htif !== null && htif.fromhost !== null && !inMemory(htif.fromhost)) return "htif.fromhost: it lies outside RAM"
  if (!isBase64(console.input) || !isBase64(console.output)) return "console: no base64"
  const page = pages.find(([number, text]) => number >= memoryBytes / PAGE_BYTES || !isBase64(text) || decodedBytes(text) !== PAGE_BYTES)
  if (page !== undefined) return `pages: number ${page[0]} lies outside RAM, or is not ${PAGE_BYTES} bytes of base64`
  const problems = harts.map((hart, index) => hartProblem(hart, `harts[${index}]`, inMemory))
  return problems.find((problem) => problem !== null) ?? null
}

function hartProblem({ pc, resume, reservation }: HartRecord, field: string, inMemory: (address: string) => boolean): string | null {
  if (isOdd(pc)) return `${field}.pc: it is odd`
  if (resume !== null && isOdd(resume.pc)) return `${field}.resume.pc: it is odd`
  return reservation === null || inMemory(reservation) ? null : `${field}.reservation: it lies outside RAM`
}

function isOdd(address: string): boolean {
  return (BigInt(address) & 1n) !== 0n
}
