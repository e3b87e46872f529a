/** The text of `backplane disasm`: what lies in the executable's segments, instruction after instruction. */
import { disassemble } from "@backplane/compute-riscv/disassemble"
import { readGuest } from "./guest-file.ts"

/** As much memory as an image may span to be listed. */
const MEMORY_BYTES = 2 ** 31
/** Lines written at a time. */
const CHUNK_LINES = 4096

export function disassembleImage(path: string, { json }: { readonly json: boolean }): void {
  let lines: string[] = []
  const flush = (): void => {
    if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`)
    lines = []
  }
  for (const { address, data } of readGuest(path, MEMORY_BYTES, "elf").segments) {
    for (const line of listing(address, data, json)) {
      lines.push(line)
      if (lines.length >= CHUNK_LINES) flush()
    }
  }
  flush()
}

function* listing(address: bigint, data: Uint8Array, json: boolean): Generator<string> {
  for (let at = 0; at + 2 <= data.length;) {
    const half = (offset: number): number => (data[offset] ?? 0) | ((data[offset + 1] ?? 0) << 8)
    const pc = address + BigInt(at)
    // Four bytes, or the two that are left of the segment.
    const wide = (half(at) & 3) === 3 && at + 4 <= data.length
    const raw = wide ? (half(at) | (half(at + 2) << 16)) >>> 0 : half(at)
    const { text, length } = wide || (raw & 3) !== 3 ? disassemble(raw, pc) : { text: `.half 0x${raw.toString(16)}`, length: 2 }
    const bits = raw.toString(16).padStart(length * 2, "0")
    yield json
      ? JSON.stringify({ address: `0x${pc.toString(16)}`, bits, text })
      : `${pc.toString(16).padStart(16, "0")}:  ${bits.padEnd(8)}  ${text}`
    at += length
  }
}
