/** Our own guests end in the same architectural state natively, trapped and assisted; and whoever runs beside them. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { Board } from "@backplane/trap-board/board"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readImage } from "@backplane/compute-image/image"
import { imagePath, readManifest, type Guest } from "@backplane/guests/manifest"
import { architectureOfBoard, architectureOfVm } from "./architecture-state.ts"
import { audit } from "./audit.ts"
import { machineBytesFor, Vmm } from "./vmm.ts"
import type { BootImage } from "@backplane/trap-board/board-types"
import type { Vm, VmMode, VmOptions } from "./vm.ts"

const MEMORY_BYTES = 16 << 20
const INSTRUCTIONS_MAX = 50_000_000
/** The benchmark takes seconds; one guest only runs scripts of others. */
const GUESTS = readManifest().guests.filter((guest) => guest.name !== "bench" && guest.console !== null)

function imageOf(guest: Guest): BootImage {
  const memory = { base: 0x8000_0000n, bytes: BigInt(MEMORY_BYTES) }
  const image = readImage(readFileSync(imagePath(guest)), { memory, symbols: ["tohost", "fromhost"] })
  if (image.kind === "rejection") throw new Error(image.reason)
  return image
}

function guestNamed(name: string): Guest {
  return GUESTS.find((guest) => guest.name === name)!
}

const stdin = (guest: Guest): Uint8Array => new TextEncoder().encode(guest.stdin ?? "")
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const NATIVE = new Map<string, ReturnType<typeof runNatively>>()

function natively(guest: Guest) {
  const known = NATIVE.get(guest.name) ?? runNatively(guest)
  NATIVE.set(guest.name, known)
  return known
}

function runNatively(guest: Guest) {
  const board = new Board(new WasmEngine({ memoryBytes: MEMORY_BYTES, cpus: guest.cpus }), imageOf(guest))
  board.console.feed(stdin(guest))
  const stop = board.run(guest.maxInstructions ?? INSTRUCTIONS_MAX)
  return {
    stop,
    instructions: board.instructions(),
    time: board.time(),
    console: text(board.console.takeOutput()),
    state: architectureOfBoard(board),
  }
}

function node(guests: readonly Guest[], cpus: number): Vmm {
  const memoryBytes = guests.reduce((sum, guest) => sum + machineBytesFor({ memoryBytes: MEMORY_BYTES, vcpus: guest.cpus }), 0)
  return new Vmm(new WasmEngine({ memoryBytes, cpus }))
}

function create(vmm: Vmm, guest: Guest, mode: VmMode, more: Pick<VmOptions, "idleLoops"> = {}): Vm {
  const vm = vmm.create({ image: imageOf(guest), vcpus: guest.cpus, memoryBytes: MEMORY_BYTES, mode, ...more })!
  vm.console.feed(stdin(guest))
  return vm
}

const outcomeOf = (vmm: Vmm, vm: Vm, stop: unknown) => ({
  stop,
  instructions: vm.instructions(),
  time: vm.time(),
  console: text(vm.console.takeOutput()),
  state: architectureOfVm(vm, vmm.machineSwitch),
})

describe("a deprivileged guest ends as on its own machine", () => {
  for (const guest of GUESTS) {
    it(`${guest.name}: ${guest.proves}`, { timeout: 60_000 }, () => {
      const expected = natively(guest)
      for (const mode of ["trap", "assist"] as const) {
        const vmm = node([guest], guest.cpus)
        const vm = create(vmm, guest, mode)
        expect(outcomeOf(vmm, vm, vm.run(guest.maxInstructions ?? INSTRUCTIONS_MAX))).toEqual(expected)
        expect(audit(vmm)).toEqual([])
      }
    })
  }

  it("assist leaves less often than trap, and never with a CSR or a return", () => {
    const exits = (["trap", "assist"] as const).map((mode) => {
      const vmm = node([guestNamed("paging")], 1)
      const vm = create(vmm, guestNamed("paging"), mode)
      vm.run(INSTRUCTIONS_MAX)
      return vm.ledger
    })
    const [trap, assisted] = exits
    expect(assisted!.total()).toBeLessThan(trap!.total() / 2)
    expect(["csr", "return", "ecall-from-user"].filter((cause) => assisted!.exits().has(cause))).toEqual([])
    expect(assisted!.assisted().get("csr")).toBe(trap!.exits().get("csr"))
  })
})

describe("several VMs on one CPU", () => {
  const names = ["timer", "paging", "traps", "echo", "sbi", "selfmod"]

  it("each ends as if it were alone, whatever the slices", { timeout: 60_000 }, () => {
    const guests = names.map(guestNamed)
    for (const slice of [997, 33_333]) {
      const vmm = node(guests, 1)
      const vms = guests.map((guest) => create(vmm, guest, "trap"))
      for (let turn = 0; turn < 20_000 && vmm.runNext(slice) !== null; turn += 1);
      guests.forEach((guest, index) => {
        // One CPU for both vCPUs of `sbi`: who shares a CPU loses its reservations, so only what can be seen from outside is compared.
        const { stop, console } = natively(guest)
        const vm = vms[index]!
        expect({ stop: vm.end(), console: text(vm.console.takeOutput()) }).toEqual({ stop, console })
        if (guest.cpus === 1) expect(architectureOfVm(vm, vmm.machineSwitch)).toBe(natively(guest).state)
      })
      expect(audit(vmm)).toEqual([])
      expect(vmm.machineSwitch.switches()).toBeGreaterThan(guests.length)
    }
  })

  it("one that waits leaves the CPU to the other for as long as it waits, and no longer", () => {
    const guests = [guestNamed("timer"), guestNamed("spin")]
    const vmm = node(guests, 1)
    // One that is busy, for all that anybody knows.
    const [waiting, spinning] = guests.map((guest) => create(vmm, guest, "trap", { idleLoops: "run" }))
    const turns: string[] = []
    for (let turn = 0; turn < 500 && waiting!.end() === null; turn += 1) {
      const { vm, stop } = vmm.runNext(10_000)!
      turns.push(vm === spinning ? "other" : stop.kind)
    }
    const from = turns.indexOf("waiting")
    const until = turns.indexOf("budget", from)
    // Its timer is 2000 ticks away, 200,000 instructions: many slices of the other in a row.
    expect(turns.slice(from + 1, until).every((turn) => turn === "other")).toBe(true)
    expect(until - from).toBeGreaterThan(5)
    expect(architectureOfVm(waiting!, vmm.machineSwitch)).toBe(natively(guestNamed("timer")).state)
  })

  it("a VM that is destroyed gives every frame back, and the next owner finds zeros", () => {
    const guest = guestNamed("paging")
    const vmm = node([guest], 1)
    const left = vmm.framesLeft()
    for (let round = 0; round < 3; round += 1) {
      const vm = create(vmm, guest, "trap")
      expect(vmm.create({ image: imageOf(guest), vcpus: 1, memoryBytes: MEMORY_BYTES, mode: "trap" })).toBeNull()
      expect(vm.run(INSTRUCTIONS_MAX)).toEqual({ kind: "end", reason: "finisher", code: 0 })
      expect(architectureOfVm(vm, vmm.machineSwitch)).toBe(natively(guest).state)
      vmm.destroy(vm)
      expect([vmm.framesLeft(), vmm.frames.free()]).toEqual([left, left])
    }
  })

  it("a paused VM retires nothing; resumed, it ends as if it had not been", () => {
    const guest = guestNamed("timer")
    const vmm = node([guest], 1)
    const vm = create(vmm, guest, "trap")
    vm.run(5000)
    const before = architectureOfVm(vm, vmm.machineSwitch)
    vm.pause()
    expect([vm.run(1000), vmm.runNext(1000), architectureOfVm(vm, vmm.machineSwitch), vm.instructions()]).toEqual([
      { kind: "paused" },
      null,
      before,
      5000,
    ])
    vm.resume()
    vm.run(INSTRUCTIONS_MAX)
    expect(architectureOfVm(vm, vmm.machineSwitch)).toBe(natively(guest).state)
  })
})
