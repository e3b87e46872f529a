/**
 * A VM that moves ends as one that stays: the same state, instructions, console and time, wherever it is cut, under every mode and mmu.
 * Each planted mover forgets one thing, and is caught by it.
 */
import { readFileSync } from "node:fs"
import { describe, expect, it, vi } from "vitest"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { kernelPath } from "@backplane/guests/build-kernel"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { MemoryDisk } from "@backplane/trap-devices/virtio-block/disk"
import type { VmCapture } from "@backplane/trap-contract/vm-capture"
import { architectureOfVm } from "./architecture-state.ts"
import { audit } from "./audit.ts"
import { machineBytesFor, Vmm } from "./vmm.ts"
import type { Vm, VmOptions } from "./vm.ts"

const MEMORY_BYTES = 16 << 20
const STEPS_MAX = 20_000
/** Of one run: what sleeps long is not carried to and fro all the time. */
const MOVES_MAX = 60

type Machine = Pick<VmOptions, "mode" | "mmu">

interface Guest {
  readonly name: string
  readonly machine: Machine
  readonly vcpus?: number
  /** What the kernel runs; others are guests of the manifest. */
  readonly run?: string
}

/** What is done to a record and its pages on the way. */
interface Mover {
  readonly record?: (record: VmCapture) => VmCapture
  readonly pages?: (pages: readonly number[], vm: Vm) => readonly number[]
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

function optionsOf({ name, machine, vcpus = 1, run }: Guest): VmOptions {
  const guest = readManifest().guests.find((each) => each.name === name)
  const path = guest === undefined ? kernelPath({ name }) : imagePath(guest)
  const image = readGuestImage(readFileSync(path), MEMORY_BYTES)
  if ("refusal" in image) throw new Error(image.refusal)
  const more = run === undefined ? {} : { bootArguments: `run=${run}` }
  return { image, vcpus, memoryBytes: MEMORY_BYTES, turns: "scheduled", ...machine, ...more }
}

function node({ vcpus, mmu }: VmOptions): Vmm {
  const shape = { memoryBytes: MEMORY_BYTES, vcpus, ...(mmu !== undefined && { mmu }) }
  return new Vmm(new WasmEngine({ memoryBytes: machineBytesFor(shape), cpus: vcpus }))
}

/** Everything that a move carries, as text, and into another node. */
function moved(vm: Vm, to: Vmm, options: VmOptions, { record = (same) => same, pages = (same) => same }: Mover): Vm {
  const carried = JSON.parse(JSON.stringify(record(vm.capture()))) as VmCapture
  const made = to.goOn(to.reserve(options)!, options, carried)
  vm.memory.beginCopy()
  for (const page of pages(vm.memory.changedPages(), vm)) made.memory.writePage(page, vm.memory.copyOf(page))
  return made
}

/** Runs it, on two nodes by turns where `every` so many slices it moves. */
function outcomeOf(guest: Guest, cut: { readonly budget: number; readonly every: number }, mover: Mover = {}) {
  const options = { ...optionsOf(guest), ...(guest.run !== undefined && { disks: [new MemoryDisk(new Uint8Array(128 << 10))] }) }
  const stdin = readManifest().guests.find((each) => each.name === guest.name)?.stdin ?? ""
  const nodes = [node(options), node(options)] as const
  let at = 0
  let vm = nodes[0].create(options)!
  vm.console.feed(new TextEncoder().encode(stdin))
  let moves = 0
  let said = ""
  let waited = vm.vcpus.map(() => 0)
  for (let step = 1; step <= STEPS_MAX; step++) {
    const index = step % vm.vcpus.length
    const stop = vm.runVcpu(index, { budget: cut.budget, waited: waited[index] ?? 0 })
    if (stop.kind === "end" || stop.kind === "stuck") {
      expect(audit(nodes[at] as Vmm)).toEqual([])
      const state = architectureOfVm(vm, (nodes[at] as Vmm).machineSwitch)
      return {
        moves,
        end: { stop, state, console: said + text(vm.console.takeOutput()), instructions: vm.instructions(), time: vm.time() },
      }
    }
    waited = waited.with(index, stop.kind === "waiting" ? (stop.units ?? 0) : 0)
    if (step % cut.every !== 0 || moves === MOVES_MAX) continue
    said += text(vm.console.takeOutput())
    const to = nodes[1 - at] as Vmm
    const next = moved(vm, to, options, mover)
    ;(nodes[at] as Vmm).destroy(vm)
    vm = next
    at = 1 - at
    moves++
  }
  return { moves, end: null }
}

const GUESTS: readonly Guest[] = [
  ...["timer", "paging", "traps", "tohost"].map((name): Guest => ({ name, machine: { mode: "trap" } })),
  { name: "paging", machine: { mode: "assist", mmu: "nested" } },
  { name: "traps", machine: { mode: "assist" } },
  { name: "kernel", machine: { mode: "trap" }, run: "forks 2; pingpong 4; save note kept; cat note" },
  { name: "kernel", machine: { mode: "para", mmu: "nested" }, run: "faults 10; walk 8 2" },
  { name: "kernel-softtlb", machine: { mode: "trap", mmu: "softtlb" }, run: "forks 2; walk 16 2" },
]

// Much is simulated here; how long that takes says nothing.
vi.setConfig({ testTimeout: 120_000 })

describe("a VM that moves", () => {
  it.each(GUESTS.map((guest) => [`${guest.name} in ${guest.machine.mode} ${guest.machine.mmu ?? ""}`, guest] as const))(
    "%s: ends as one that stays",
    (_, guest) => {
      const stayed = outcomeOf(guest, { budget: 20_011, every: Infinity })
      const travelled = outcomeOf(guest, { budget: 20_011, every: 3 })
      expect(stayed.end).not.toBeNull()
      expect(travelled.end).toEqual(stayed.end)
      expect(travelled.moves > 0 || stayed.end!.instructions < 60_033).toBe(true)
    },
  )

  it("in pieces of a few thousand instructions: between a claim and its completion, in the handler, in the middle of a refill", () => {
    const guest: Guest = { name: "kernel", machine: { mode: "trap" }, run: "pingpong 2; save note kept" }
    const stayed = outcomeOf(guest, { budget: 2_003, every: Infinity })
    const travelled = outcomeOf(guest, { budget: 2_003, every: 5 })
    expect(travelled.end).toEqual(stayed.end)
    expect(travelled.moves).toBeGreaterThan(20)
  })

  it("vCPUs that wait for each other get on", () => {
    for (const name of ["smp", "sbi"]) {
      const vcpus = readManifest().guests.find((each) => each.name === name)!.cpus
      const { moves, end } = outcomeOf({ name, machine: { mode: "trap" }, vcpus }, { budget: 211, every: 7 })
      expect([name, end?.stop, moves > 3]).toEqual([name, { kind: "end", reason: expect.any(String), code: 0 }, true])
    }
  })

  it("takes its room with it: what it left is free, what it takes was promised", () => {
    const options = optionsOf({ name: "spin", machine: { mode: "trap" } })
    const [from, to] = [node(options), node(options)]
    const vm = from.create(options)!
    vm.runVcpu(0, { budget: 1000, waited: 0 })
    const free = from.frames.free()
    const next = moved(vm, to, options, {})
    expect([from.reserve(options), to.reserve(options)]).toEqual([null, null])
    from.destroy(vm)
    expect([from.frames.free() > free, from.reserve(options) !== null, next.instructions()]).toEqual([true, true, 1000])
    expect(next.runVcpu(0, { budget: 1000, waited: 0 }).kind).toBe("budget")
  })

  it("keeps the pages that it was asked for given away, until the node that it has come to says otherwise", () => {
    const options = optionsOf({ name: "kernel", machine: { mode: "para" }, run: "spin 9000" })
    const [from, to] = [node(options), node(options)]
    // Its slices are of a million instructions: at the end of each it hears what it is asked for.
    const runUntil = (vm: Vm, isSo: () => boolean, runs: number): void => {
      for (let run = 0; run < runs && !isSo(); run++) vm.runVcpu(0, { budget: 500_000, waited: 0 })
    }
    const vm = from.create(options)!
    const pagesOut = (of: Vm): number => of.para?.counts().pagesOut ?? -1
    runUntil(vm, () => vm.para?.counts().listens === true, 40)
    vm.para?.askBalloon(100)
    runUntil(vm, () => pagesOut(vm) === 100, 40)
    const next = moved(vm, to, options, {})
    expect(pagesOut(next)).toBe(100)
    runUntil(next, () => pagesOut(next) !== 100, 40)
    expect([pagesOut(next), next.para?.counts().listens]).toEqual([100, true])
    next.para?.askBalloon(40)
    runUntil(next, () => pagesOut(next) === 40, 40)
    expect(pagesOut(next)).toBe(40)
  })
})

describe("a mover that forgets something is caught", () => {
  const kernel: Guest = { name: "kernel", machine: { mode: "trap" }, run: "pingpong 2; save note kept" }
  const cut = { budget: 2_003, every: 5 }
  const stayed = outcomeOf(kernel, { budget: 2_003, every: Infinity }).end

  const PLANTED: readonly (readonly [string, Mover])[] = [
    ["a page that was written last is not sent", { pages: (pages) => pages.slice(0, -1) }],
    ["one page of seven is not sent", { pages: (pages) => pages.filter((_, index) => index % 7 !== 3) }],
    [
      "interrupts that are pending, claimed or enabled are lost",
      {
        record: (record) => ({
          ...record,
          devices: {
            ...record.devices,
            plic: {
              ...record.devices.plic,
              pending: [0, 0, 0],
              claimed: [0, 0, 0],
              enabled: record.devices.plic.enabled.map(() => [0, 0, 0]),
            },
          },
        }),
      },
    ],
    [
      "the disk's queue begins anew",
      {
        record: (record) => ({
          ...record,
          virtio: record.virtio.map((slot) => ({
            ...slot,
            queues: slot.queues.map((queue) => ({ ...queue, nextAvailable: 0, nextUsed: 0 })),
          })),
        }),
      },
    ],
    ["the clock jumps", { record: (record) => ({ ...record, passed: record.passed + 1_000_000 }) }],
    [
      "the CSRs are lost, and with them a timer that was set",
      { record: (record) => ({ ...record, vcpus: record.vcpus.map((vcpu) => ({ ...vcpu, csrs: vcpu.csrs.map(() => "0x0") })) }) },
    ],
    [
      "a register is lost",
      { record: (record) => ({ ...record, vcpus: record.vcpus.map((vcpu) => ({ ...vcpu, registers: vcpu.registers.with(2, "0x0") })) }) },
    ],
  ]

  it.each(PLANTED)("%s", (_, mover) => {
    expect(outcomeOf(kernel, cut).end).toEqual(stayed)
    let caught: unknown = null
    try {
      caught = outcomeOf(kernel, cut, mover).end
    } catch (error) {
      caught = String(error)
    }
    expect(caught).not.toEqual(stayed)
  })
})
