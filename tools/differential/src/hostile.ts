/**
 * Hostile guests at length: `node tools/differential/src/hostile.ts [instructions] [first seed]`, a hundred million unless said. Under every mode and
 * mmu in turn, each beside a neighbour and each also on a machine of its own. Ends with 1 at the first seed that differs, and names it.
 */
import { readFileSync } from "node:fs"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readImage } from "@backplane/compute-image/image"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import {
  neighbourAlone,
  NEIGHBOUR_BYTES,
  runHostile,
  type HostileMachine,
  type HostileResult,
} from "@backplane/trap-vmm/suite/hostile-world"
import type { EngineOptions } from "@backplane/compute-contract/engine"
import type { BootImage } from "@backplane/trap-board/board-types"

const DEFAULT_INSTRUCTIONS = 100_000_000
/** Of one guest: long enough that it gets somewhere, short enough that many are tried. */
const INSTRUCTIONS_EACH = 100_000
const PROGRESS_GUESTS = 50
const MACHINES: readonly HostileMachine[] = [
  { mode: "trap", mmu: "shadow" },
  { mode: "assist", mmu: "shadow" },
  { mode: "para", mmu: "shadow" },
  { mode: "trap", mmu: "nested" },
  { mode: "assist", mmu: "nested" },
  { mode: "para", mmu: "nested" },
  { mode: "trap", mmu: "softtlb" },
  { mode: "assist", mmu: "softtlb" },
  { mode: "trap", mmu: "softtlb", secondLevelTlb: true },
  { mode: "trap", mmu: "softtlb", guest: "refills" },
  { mode: "assist", mmu: "softtlb", guest: "refills" },
  { mode: "para", mmu: "softtlb", secondLevelTlb: true, guest: "refills" },
]
const engineOf = (options: EngineOptions): WasmEngine => new WasmEngine(options)

function neighbour(): BootImage {
  const guest = readManifest().guests.find(({ name }) => name === "timer")
  if (guest === undefined) throw new Error("the guest timer is not in the manifest")
  const image = readImage(readFileSync(imagePath(guest)), { memory: { base: RAM_BASE, bytes: BigInt(NEIGHBOUR_BYTES) }, symbols: [] })
  if (image.kind === "rejection") throw new Error(image.reason)
  return image
}

/**
 * What is wrong, or null. Two ends are not compared: a second level changes how many misses a guest hears of, and in mode `para` its device
 * tree tells of the hypervisor.
 */
function problem(machine: HostileMachine, result: HostileResult, alone: string): string | null {
  if (result.breaches.length > 0) return result.breaches.join("; ")
  if (result.neighbour !== alone) return "the neighbour ended otherwise than alone"
  const isOther = machine.secondLevelTlb === true || machine.mode === "para"
  if (isOther || result.seen === result.wanted) return null
  return `it ended as ${result.seen}, on its own machine as ${result.wanted}`
}

function main(asked: number, firstSeed: number): number {
  const image = neighbour()
  const alone = neighbourAlone(image, engineOf)
  const causes = new Set<string>()
  let executed = 0
  let guests = 0
  let refills = 0
  for (let seed = firstSeed; executed < asked; seed += 1) {
    for (const machine of MACHINES) {
      const result = runHostile({ seed, instructions: INSTRUCTIONS_EACH, machine, neighbour: image, engineOf })
      const wrong = problem(machine, result, alone)
      if (wrong !== null) {
        console.error(`seed ${seed}, ${JSON.stringify(machine)}: ${wrong}`)
        return 1
      }
      for (const cause of result.causes) causes.add(cause)
      executed += result.instructions
      guests += 1
      refills += result.refills
      if (guests % PROGRESS_GUESTS === 0) console.error(`${guests} guests, ${executed} instructions, seed ${seed}`)
    }
  }
  console.log(
    `${guests} guests, ${executed} instructions: ${refills} refills: no difference, no breach; exits met: ${[...causes].toSorted().join(", ")}`,
  )
  return 0
}

const [instructions = String(DEFAULT_INSTRUCTIONS), seed = "1"] = process.argv.slice(2)
process.exitCode = main(Number(instructions), Number(seed))
