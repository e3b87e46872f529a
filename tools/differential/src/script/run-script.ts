/** One script of privileged instructions on the native machine and under qemu-system-riscv64: notes, page tables and pages, compared. */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readImage } from "@backplane/compute-image/image"
import { buildElf } from "@backplane/compute-image/suite/build-elf"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { Board } from "@backplane/trap-board/board"
import { NOTE_WORDS, OUTPUT_ADDRESS, OUTPUT_BYTES, scriptBytes, SCRIPT_ADDRESS, type Entry, type Script } from "./make-script.ts"

const QEMU = "qemu-system-riscv64"
/** The same extensions as ours: no floating point, no vectors, no hypervisor. */
const CPU = "rv64,f=off,d=off,v=off,h=off,zba=on,zbb=on,zbs=on"
/** Two harts, of which one sleeps: with one, QEMU makes an AMO of a load and a store, and its faults those of loads. */
const MACHINE = ["-M", "virt", "-m", "16M", "-smp", "2", "-cpu", CPU, "-bios", "none"]
const OUTPUT = ["-display", "none", "-monitor", "none", "-serial", "stdio"]
const MEMORY = { base: 0x8000_0000n, bytes: 16n << 20n }
const INSTRUCTIONS_MAX = 50_000_000

export function systemQemuInstalled(): boolean {
  return spawnSync(QEMU, ["--version"]).status === 0
}

/** The guest with the script in its memory, as one ELF for both machines. */
export function scriptImage(script: Script): Uint8Array {
  const guest = readManifest().guests.find(({ name }) => name === "privileged")
  if (guest === undefined) throw new Error("manifest.json of the guests has no entry `privileged`")
  const image = readImage(readFileSync(imagePath(guest)), { memory: MEMORY, symbols: [] })
  if (image.kind === "rejection") throw new Error(`the guest's image: ${image.reason}`)
  const added = [
    { address: SCRIPT_ADDRESS, data: scriptBytes(script) },
    { address: OUTPUT_ADDRESS, data: script.memory },
  ]
  const segments = [...image.segments, ...added.map((part) => ({ ...part, memoryBytes: BigInt(part.data.length) }))]
  const placed = segments.map(({ address, ...rest }) => ({ ...rest, virtualAddress: address, physicalAddress: address }))
  return buildElf({ entry: image.entry, segments: placed, symbols: [] })
}

/** Throws when the guest does not reach its end. */
export function runOnBoard(file: Uint8Array): Uint8Array {
  const image = readImage(file, { memory: MEMORY, symbols: [] })
  if (image.kind === "rejection") throw new Error(image.reason)
  const board = new Board(new WasmEngine({ memoryBytes: Number(MEMORY.bytes), cpus: 1 }), image)
  const stop = board.run(INSTRUCTIONS_MAX)
  if (stop.kind !== "end" || stop.code !== 0) throw new Error(`the board stopped with ${JSON.stringify(stop)}`)
  return board.console.takeOutput()
}

/** `undefined` when QEMU's run did not end by itself. */
export function runInSystemQemu(file: Uint8Array): Uint8Array | undefined {
  const folder = mkdtempSync(join(tmpdir(), "privileged-"))
  try {
    const path = join(folder, "image.elf")
    writeFileSync(path, file)
    const result = spawnSync(QEMU, [...MACHINE, ...OUTPUT, "-kernel", path], { timeout: 30_000, maxBuffer: 4 << 20, input: "" })
    return result.status === 0 ? result.stdout : undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What a note says, in the order of the guest's words. */
const NOTE = ["mcause", "mtval", "mepc", "mstatus", "a2", "scause", "stval", "sepc", "mip", "satp", "mie", "sscratch"] as const
const SCAUSE = 5
const BREAKPOINT = 3n
const LOAD_ACCESS = 5n
const STORE_ACCESS = 7n

/** The first difference, or `undefined`. */
export function firstDifference(script: Script, ours: Uint8Array, theirs: Uint8Array | undefined): string | undefined {
  if (theirs?.length !== OUTPUT_BYTES || ours.length !== OUTPUT_BYTES) return `output of ${ours.length} and ${theirs?.length} bytes`
  const left = notesOf(ours)
  const right = notesOf(theirs)
  for (const [index, entry] of script.entries.entries()) {
    for (const [word, name] of NOTE.entries()) {
      const [seen, wanted] = [left(index, word), right(index, word)]
      const cause = left(index, name.startsWith("s") ? SCAUSE : 0)
      if (seen !== wanted && !allowed({ entry, name, seen, wanted, cause })) {
        return `entry ${index}, ${describe(entry)}: ${name} is 0x${seen.toString(16)}, QEMU has 0x${wanted.toString(16)}`
      }
    }
  }
  const from = script.entries.length * NOTE_WORDS * 8
  const at = ours.findIndex((byte, index) => index >= from && byte !== theirs[index])
  return at === -1 ? undefined : `memory at 0x${(OUTPUT_ADDRESS + BigInt(at)).toString(16)}: ${ours[at]}, QEMU has ${theirs[at]}`
}

/** Notes, tables and pages in one short text. */
export function outputFingerprint(output: Uint8Array): string {
  return createHash("sha256").update(output).digest("hex").slice(0, 16)
}

function notesOf(output: Uint8Array): (entry: number, word: number) => bigint {
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength)
  return (entry, word) => view.getBigUint64((entry * NOTE_WORDS + word) * 8, true)
}

interface Difference {
  readonly entry: Entry
  readonly name: (typeof NOTE)[number]
  readonly seen: bigint
  readonly wanted: bigint
  /** Of the trap that the word belongs to. */
  readonly cause: bigint
}

/**
 * What QEMU 7.2 does in its own way: it leaves the value of a breakpoint zero, gives an AMO that meets no device the cause of a load
 * and no address, and cuts a misaligned access that meets no device into aligned ones before it faults.
 */
function allowed({ entry, name, seen, wanted, cause }: Difference): boolean {
  const value = name === "mtval" || name === "stval"
  const atomic = (entry.word & 0x7f) === 0x2f
  if (cause === BREAKPOINT) return value
  if (cause === STORE_ACCESS && atomic) return value || name === "mcause"
  return value && (cause === LOAD_ACCESS || cause === STORE_ACCESS) && seen >> 3n === wanted >> 3n
}

function describe({ word, privilege, a0 }: Entry): string {
  return `0x${word.toString(16)} at level ${privilege} with a0 = 0x${a0.toString(16)}`
}
