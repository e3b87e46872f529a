/**
 * A guest that means harm beside one that does not, on one VMM; and the harmful one on a machine of its own, which is the oracle: it must end
 * there as here. Used by the test (a million instructions) and by the nightly command (tools/differential, a hundred million).
 */
import { assert } from "@backplane/foundation-base/assert"
import { Board } from "@backplane/trap-board/board"
import { architectureOfBoard, architectureOfVm } from "../architecture-state.ts"
import { audit } from "../audit.ts"
import { hostileImage, HOSTILE_MEMORY_BYTES } from "./hostile-image.ts"
import { machineBytesFor, Vmm } from "../vmm.ts"
import type { Engine, EngineOptions } from "@backplane/compute-contract/engine"
import type { BootImage } from "@backplane/trap-board/board-types"
import type { VmOptions } from "../vm.ts"

/** `guest`: with mmu `softtlb`, one that misuses the TLB, or one that lives on its refills. Absent: misuses. */
export type HostileMachine = Pick<VmOptions, "mode" | "mmu" | "secondLevelTlb"> & { readonly guest?: "misuses" | "refills" }

export const NEIGHBOUR_BYTES = 16 << 20
const SLICE = 5_000
const NEIGHBOUR_INSTRUCTIONS_MAX = 10_000_000

export interface HostileRun {
  readonly seed: number
  readonly instructions: number
  readonly machine: HostileMachine
  readonly neighbour: BootImage
  readonly engineOf: (options: EngineOptions) => Engine
}

export interface HostileResult {
  /** What the harmful guest came to, here and on its own machine: equal texts, unless the second level hides misses from it. */
  readonly seen: string
  readonly wanted: string
  readonly neighbour: string
  readonly breaches: readonly string[]
  readonly instructions: number
  readonly causes: readonly string[]
  /** Misses of the software TLB that the guest served. */
  readonly refills: number
}

/** What the neighbour comes to when nobody is beside it. */
export function neighbourAlone(image: BootImage, engineOf: HostileRun["engineOf"]): string {
  const options: VmOptions = { image, vcpus: 1, memoryBytes: NEIGHBOUR_BYTES, mode: "trap" }
  const vmm = new Vmm(engineOf({ memoryBytes: machineBytesFor(options), cpus: 1 }))
  const vm = vmm.create(options)
  assert(vm !== null, "there is room for one")
  vm.run(NEIGHBOUR_INSTRUCTIONS_MAX)
  return architectureOfVm(vm, vmm.machineSwitch)
}

export function runHostile({ seed, instructions, machine, neighbour, engineOf }: HostileRun): HostileResult {
  const start = seed % 2 === 0 ? "machine" : "supervisor"
  const { guest = "misuses", ...how } = machine
  const soft = how.mmu === "softtlb"
  const image = hostileImage(seed, start, !soft ? "none" : guest === "refills" ? "refills" : "software")
  const hostile: VmOptions = { image, vcpus: 1, memoryBytes: HOSTILE_MEMORY_BYTES, ...how }
  const beside: VmOptions = { image: neighbour, vcpus: 1, memoryBytes: NEIGHBOUR_BYTES, mode: "trap" }
  const vmm = new Vmm(engineOf({ memoryBytes: machineBytesFor(hostile) + machineBytesFor(beside), cpus: 1 }))
  const [bad, good] = [vmm.create(hostile), vmm.create(beside)]
  assert(bad !== null && good !== null, "there is room for two")
  for (let turn = 0; turn < instructions / SLICE; turn += 1) {
    bad.run(SLICE)
    good.run(SLICE)
  }
  const breaches = audit(vmm)
  const board = new Board(engineOf({ memoryBytes: HOSTILE_MEMORY_BYTES, cpus: 1 }), image, { softwareTlb: soft })
  board.run(instructions)
  good.run(NEIGHBOUR_INSTRUCTIONS_MAX)
  return {
    seen: `${bad.instructions()} ${architectureOfVm(bad, vmm.machineSwitch)}`,
    wanted: `${board.instructions()} ${architectureOfBoard(board)}`,
    neighbour: architectureOfVm(good, vmm.machineSwitch),
    breaches: [...breaches, ...audit(vmm)],
    instructions: bad.instructions(),
    causes: [...bad.ledger.exits().keys()],
    refills: refillsOf(bad.ledger.exits()) + refillsOf(bad.ledger.assisted()),
  }
}

function refillsOf(counts: ReadonlyMap<string, number>): number {
  return [...counts].reduce((sum, [cause, count]) => (cause.startsWith("tlb-refill-") ? sum + count : sum), 0)
}
