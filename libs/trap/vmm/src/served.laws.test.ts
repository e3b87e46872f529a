/** Guests whose CPUs serve themselves natively and in mode assist, and whose exits are answered inside the engine in mode trap: random guests that mean harm end as where the VMM's host code serves all. */
import { describe, expect, it } from "vitest"
import { Board } from "@backplane/trap-board/board"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { architectureOfBoard, architectureOfVm } from "./architecture-state.ts"
import { audit } from "./audit.ts"
import { hostileImage, HOSTILE_MEMORY_BYTES } from "./suite/hostile-image.ts"
import { machineBytesFor, Vmm } from "./vmm.ts"
import type { VmMmu } from "./guest-mmu.ts"
import type { VmMode, VmOptions } from "./vm.ts"

const SEEDS = 24
const INSTRUCTIONS = 20_000
/** Cut, so that vCPUs go on and off their CPU in mid-trap. */
const SLICE = 3_001

function onBoard(seed: number, served: "inside" | "outside") {
  const image = hostileImage(seed, seed % 2 === 0 ? "machine" : "supervisor")
  const board = new Board(new WasmEngine({ memoryBytes: HOSTILE_MEMORY_BYTES, cpus: 1 }), image, { served })
  board.run(INSTRUCTIONS)
  return { state: architectureOfBoard(board), instructions: board.instructions(), exits: [...board.exits()], time: board.time() }
}

function onVm(seed: number, { mode, mmu, served }: { mode: VmMode; mmu: VmMmu; served: "inside" | "outside" }) {
  const image = hostileImage(seed, seed % 2 === 0 ? "machine" : "supervisor")
  const options: VmOptions = { image, vcpus: 1, memoryBytes: HOSTILE_MEMORY_BYTES, mode, mmu, served }
  const vmm = new Vmm(new WasmEngine({ memoryBytes: 2 * machineBytesFor(options), cpus: 1 }))
  const vms = [vmm.create(options)!, vmm.create(options)!]
  for (let turn = 0; turn * SLICE < INSTRUCTIONS; turn += 1) for (const vm of vms) vm.run(SLICE)
  const breaches = audit(vmm)
  const [vm] = vms
  const calls = vm!.systemCalls.totals()
  const sorted = (counts: ReadonlyMap<string, number>) => [...counts].toSorted()
  // A CPU that goes between trees by itself does not make them new: how often one must be filled may differ, all else may not.
  const exits = sorted(vm!.ledger.exits()).filter(([cause]) => !cause.startsWith("shadow-"))
  const assisted = sorted(vm!.ledger.assisted())
  const inside = sorted(vm!.systemCalls.inside()).filter(([cause]) => !cause.startsWith("shadow-"))
  return {
    state: architectureOfVm(vm!, vmm.machineSwitch),
    instructions: vm!.instructions(),
    time: vm!.time(),
    exits,
    assisted,
    calls,
    inside,
    breaches,
  }
}

describe("a hostile guest", () => {
  it("ends natively as on a board that sees everything, with the same counts", () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) expect({ seed, ...onBoard(seed, "inside") }).toEqual({ seed, ...onBoard(seed, "outside") })
  })

  for (const mode of ["trap", "assist", "para"] as const) {
    for (const mmu of ["shadow", "nested"] as const) {
      it(`in ${mode} under ${mmu}, its twin beside it: ends as where the host serves, with the same counts`, { timeout: 60_000 }, () => {
        let served = 0
        for (let seed = 1; seed <= SEEDS; seed += 1) {
          const inside = onVm(seed, { mode, mmu, served: "inside" })
          expect({ seed, ...inside }).toEqual({ seed, ...onVm(seed, { mode, mmu, served: "outside" }), breaches: [] })
          served += (mode === "trap" ? inside.exits : inside.assisted).reduce((sum, [, count]) => sum + count, 0)
        }
        expect(served).toBeGreaterThan(SEEDS * 100)
      })
    }
  }
})
