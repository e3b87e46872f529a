/** One generated program in the engine and under qemu-riscv64: data and registers at the end, compared. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { DUMP_ADDRESS, DUMP_BYTES, IMAGE_BYTES, elfOf } from "./user-image.ts"
import type { UserImage } from "./user-image.ts"

const QEMU = "qemu-riscv64"
const INSTRUCTIONS_MAX = 100_000_000

export function qemuInstalled(): boolean {
  return spawnSync(QEMU, ["--version"]).status === 0
}

export interface Outcome {
  readonly dump: Uint8Array
  readonly instructions: number
}

/** Throws when the program does not reach its end. */
export function runInEngine(image: UserImage): Outcome {
  const engine = new WasmEngine({ memoryBytes: IMAGE_BYTES, cpus: 1 })
  engine.writeMemory(RAM_BASE, image.memory)
  engine.writePc(0, image.entry)
  const exit = engine.run(0, INSTRUCTIONS_MAX)
  if (exit.kind !== "system") throw new Error(`the engine ended with ${exit.kind} at ${exit.pc.toString(16)}`)
  return { dump: engine.readMemory(DUMP_ADDRESS, DUMP_BYTES), instructions: exit.retired }
}

/** `undefined` when qemu's run did not end by itself. */
export function runInQemu(image: UserImage): Uint8Array | undefined {
  const folder = mkdtempSync(join(tmpdir(), "differential-"))
  try {
    const file = join(folder, "program")
    writeFileSync(file, elfOf(image), { mode: 0o755 })
    const result = spawnSync(QEMU, ["-cpu", "rv64,v=false", file], { timeout: 60_000, maxBuffer: 1 << 20 })
    return result.status === 0 ? result.stdout : undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The first difference in words, or `undefined`. */
export function compareDumps(ours: Uint8Array, theirs: Uint8Array | undefined): string | undefined {
  if (theirs?.length !== ours.length) return "qemu did not finish the program"
  const at = ours.findIndex((byte, index) => byte !== theirs[index])
  if (at === -1) return undefined
  const word = at & ~7
  const value = (bytes: Uint8Array): string => new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(word, true).toString(16)
  const place = word < 8192 ? `data + ${word}` : `x${(word - 8192) / 8}`
  return `${place}: engine 0x${value(ours)}, qemu 0x${value(theirs)}`
}
