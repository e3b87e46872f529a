/** vCPUs that a scheduler runs one by one: the same guest as in turns of its own, however it is cut; time of one VM, not of the CPU. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { architectureOfVm } from "./architecture-state.ts"
import { machineBytesFor, Vmm } from "./vmm.ts"
import type { Vm, VcpuStop } from "./vm.ts"

const MEMORY_BYTES = 16 << 20
const STEPS_MAX = 200_000

function make(name: string, vcpus: number, turns: "own" | "scheduled"): { readonly vmm: Vmm; readonly vm: Vm } {
  const guest = readManifest().guests.find((each) => each.name === name)!
  const image = readGuestImage(readFileSync(imagePath(guest)), MEMORY_BYTES)
  if ("refusal" in image) throw new Error(image.refusal)
  const vmm = new Vmm(new WasmEngine({ memoryBytes: machineBytesFor({ memoryBytes: MEMORY_BYTES, vcpus }), cpus: vcpus }))
  const vm = vmm.create({ image, vcpus, memoryBytes: MEMORY_BYTES, mode: "trap", turns })!
  vm.console.feed(new TextEncoder().encode(guest.stdin ?? ""))
  return { vmm, vm }
}

/** Runs the vCPUs round robin; who waits for a timer is given that time. */
function schedule(vm: Vm, budget: number): VcpuStop {
  let waited = vm.vcpus.map(() => 0)
  for (let step = 0; step < STEPS_MAX; step++) {
    const index = step % vm.vcpus.length
    const stop = vm.runVcpu(index, { budget, waited: waited[index] ?? 0 })
    if (stop.kind === "end" || stop.kind === "stuck") return stop
    waited = waited.with(index, stop.kind === "waiting" ? (stop.units ?? 0) : 0)
  }
  throw new Error("the guest does not end")
}

describe("a vCPU that is scheduled", () => {
  it.each(["timer", "sleep", "paging", "echo", "traps"])("%s with one vCPU ends as in its own turns", (name) => {
    const alone = make(name, 1, "own")
    const wanted = { stop: alone.vm.run(50_000_000), state: architectureOfVm(alone.vm, alone.vmm.machineSwitch), time: alone.vm.time() }
    if (wanted.stop.kind === "idle") return
    for (const budget of [1_999, 50_000]) {
      const { vmm, vm } = make(name, 1, "scheduled")
      const stop = schedule(vm, budget)
      expect({ stop, state: architectureOfVm(vm, vmm.machineSwitch), time: vm.time() }).toEqual(wanted)
    }
  })

  it.each(["smp", "sbi"])("%s: vCPUs that wait for each other get on in slices of any length", (name) => {
    for (const budget of [100, 1_000, 100_000]) {
      const guest = readManifest().guests.find((each) => each.name === name)!
      const { vm } = make(name, guest.cpus, "scheduled")
      expect(schedule(vm, budget)).toMatchObject({ kind: "end", code: 0 })
    }
  })

  it("a paused VM retires nothing, and goes on where it was", () => {
    const { vm } = make("spin", 1, "scheduled")
    vm.runVcpu(0, { budget: 1000, waited: 0 })
    vm.pause()
    expect(vm.runVcpu(0, { budget: 1000, waited: 0 })).toEqual({ kind: "paused" })
    expect(vm.instructions()).toBe(1000)
    vm.resume()
    expect([vm.runVcpu(0, { budget: 1000, waited: 0 }).kind, vm.instructions()]).toEqual(["budget", 2000])
  })
})
