/** The teaching kernel keeps its promises, and keeps them to the last bit the same natively and under the VMM, on one CPU and on several. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { Board } from "@backplane/trap-board/board"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readImage } from "@backplane/compute-image/image"
import { kernelPath } from "@backplane/guests/build-kernel"
import { MemoryDisk } from "@backplane/trap-devices/virtio-block/disk"
import { architectureOfBoard, architectureOfVm } from "./architecture-state.ts"
import { audit } from "./audit.ts"
import { machineBytesFor, Vmm } from "./vmm.ts"
import type { VmOptions } from "./vm.ts"

const MEMORY_BYTES = 16 << 20
const INSTRUCTIONS_MAX = 100_000_000

/** A command, and what it says; ticks are T: they are compared between modes, not with this list. */
const PROMISES: readonly (readonly [string, string])[] = [
  ["syscalls 100", "syscalls: count=100 ticks=T"],
  ["pingpong 20", "pingpong: count=20 ticks=T"],
  ["forks 3", "forks: count=3 ticks=T"],
  ["spawns 3", "spawns: count=3 ticks=T"],
  ["faults 20", "faults: pages=20 faults=20 ticks=T"],
  ["walk 16 3", "walk: pages=16 rounds=3 sum=360 ticks=T"],
  ["zero 8", "zero: pages=8 dirty=0 ticks=T"],
  ["copies 4", "copies: pages=4 wrong=0"],
  ["shared 3 50", "shared: processes=3 sum=150"],
  ["locks 3 50", "locks: kind=spin processes=3 counter=150 ticks=T"],
  ["locks 3 50 ticket", "locks: kind=ticket processes=3 counter=150 ticks=T"],
  ["pipes 1500 2", "pipes: producers=2 bytes=3000 sum=373530 ticks=T"],
  ["primes 200", "primes: below=200 found=46 sum=4227 ticks=T"],
  ["echo one two | cat", "one two"],
  ["cat none; save note kept for later; cat note", "cat: no file none\nkept for later"],
  ["disk write 60 word; disk read 60", "disk: sector=60 bytes=4\nword\ndisk: sector=60 bytes=4"],
]

const options = (run: string, words = "") => ({ bootArguments: `${words}run=${run}`, disks: [new MemoryDisk(new Uint8Array(128 << 10))] })

function imageOf(kernel: string) {
  const image = readImage(readFileSync(kernelPath({ name: kernel })), {
    memory: { base: 0x8000_0000n, bytes: BigInt(MEMORY_BYTES) },
    symbols: [],
  })
  if (image.kind === "rejection") throw new Error(image.reason)
  return image
}

interface Asked {
  readonly kernel: string
  readonly cpus: number
  readonly run: string
}

/** How it is run as a guest. */
type Machine = Pick<VmOptions, "mode" | "mmu" | "secondLevelTlb" | "idleLoops">

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).replaceAll("\r\n", "\n")
const isSoft = (kernel: string): boolean => kernel === "kernel-softtlb"

function natively({ kernel, cpus, run }: Asked) {
  const engine = new WasmEngine({ memoryBytes: MEMORY_BYTES, cpus })
  const board = new Board(engine, imageOf(kernel), { ...options(run), softwareTlb: isSoft(kernel) })
  const stop = board.run(INSTRUCTIONS_MAX)
  const state = architectureOfBoard(board)
  return { stop, state, console: text(board.console.takeOutput()), instructions: board.instructions(), time: board.time() }
}

/** `words`: boot arguments beside what is run. */
function machineOf({ kernel, cpus, run }: Asked, machine: Machine, words = "") {
  const shape = { memoryBytes: MEMORY_BYTES, vcpus: cpus, ...(machine.mmu !== undefined && { mmu: machine.mmu }) }
  const vmm = new Vmm(new WasmEngine({ memoryBytes: machineBytesFor(shape), cpus }))
  const vm = vmm.create({ image: imageOf(kernel), ...shape, ...machine, ...options(run, words) })!
  const stop = vm.run(INSTRUCTIONS_MAX)
  expect(audit(vmm)).toEqual([])
  return { vmm, vm, stop, console: text(vm.console.takeOutput()) }
}

function virtually(asked: Asked, machine: Machine) {
  const { vmm, vm, ...outcome } = machineOf(asked, machine)
  return { ...outcome, state: architectureOfVm(vm, vmm.machineSwitch), instructions: vm.instructions(), time: vm.time() }
}

const SHADOW: readonly Machine[] = [
  { mode: "trap", mmu: "shadow" },
  { mode: "assist", mmu: "shadow" },
]
const NESTED: Machine = { mode: "assist", mmu: "nested" }

describe("the teaching kernel", () => {
  const run = PROMISES.map(([command]) => command).join(";")
  const lines = PROMISES.map(([, line]) => line).join("\n")
  const greeting = (cpus: number): string => `kernel: ${cpus} harts, 16 MiB, 256 sectors of disk`
  // `cat none` fails, so the machine ends as one where a command failed.
  const endOf = (kernel: string) => ({ kind: "end", reason: kernel === "kernel-firmware" ? "finisher" : "shutdown", code: 1 })
  const said = (console: string): string => console.replaceAll(/ticks=\d+/g, "ticks=T")

  const cases: readonly (readonly [string, number, readonly Machine[]])[] = [
    ["kernel", 1, [...SHADOW, NESTED]],
    ["kernel", 2, [...SHADOW, { mode: "trap", mmu: "nested" }]],
    ["kernel", 4, [NESTED]],
    ["kernel-biglock", 2, SHADOW],
    ["kernel-biglock", 4, []],
    ["kernel-firmware", 2, SHADOW],
    ["kernel-softtlb", 1, [{ mode: "trap", mmu: "softtlb" }]],
    // With a second level the guest is called for fewer misses: it ends with the same words, not at the same instruction.
    ["kernel-softtlb", 2, [{ mode: "assist", mmu: "softtlb" }]],
  ]
  for (const [kernel, cpus, machines] of cases) {
    it(`${kernel} on ${cpus} harts: each promise, and the same end in every mode and mmu`, { timeout: 300_000 }, () => {
      const native = natively({ kernel, cpus, run })
      expect(said(native.console)).toBe(`${greeting(cpus)}\n${lines}\n`)
      expect(native.stop).toEqual(endOf(kernel))
      for (const machine of machines) expect({ machine, ...virtually({ kernel, cpus, run }, machine) }).toEqual({ machine, ...native })
    })
  }

  it("keeps its promises when it talks to the hypervisor, with a second-level TLB, and whatever its locks and idle loops", () => {
    const kept: readonly (readonly [string, string, Machine])[] = [
      ["kernel", "", { mode: "para", mmu: "shadow" }],
      ["kernel", "idle=yield locks=ticket ", { mode: "para", mmu: "nested" }],
      ["kernel-softtlb", "", { mode: "para", mmu: "softtlb" }],
      ["kernel-softtlb", "", { mode: "trap", mmu: "softtlb", secondLevelTlb: true }],
      ["kernel-biglock", "idle=poll hz=1000 ", { mode: "assist", mmu: "shadow" }],
      ["kernel", "idle=poll ", { mode: "trap", mmu: "nested", idleLoops: "give-way" }],
    ]
    for (const [kernel, words, machine] of kept) {
      const { console, stop, vm } = machineOf({ kernel, cpus: 2, run }, machine, words)
      expect({ machine, said: said(console), stop }).toEqual({ machine, said: `${greeting(2)}\n${lines}\n`, stop: endOf(kernel) })
      if (machine.mode === "para") expect(vm.ledger.exits().get("hypercall-zero-page")).toBeGreaterThan(0)
    }
  })

  it("has fewer exits for its page tables and fewer instructions when it tells the hypervisor of them, and lends it memory", () => {
    const asked: Asked = { kernel: "kernel", cpus: 1, run: "forks 20; balloon out 40; balloon in 15" }
    const [silent, telling] = ["para=off ", ""].map((words) => machineOf(asked, { mode: "para", mmu: "shadow" }, words))
    const forTables = ({ vm }: ReturnType<typeof machineOf>): number =>
      ["table-write", "fence", "satp", "hypercall-update-tables", "hypercall-switch-space"].reduce(
        (sum, cause) => sum + (vm.ledger.exits().get(cause) ?? 0),
        0,
      )
    expect(forTables(telling!)).toBeLessThan(0.8 * forTables(silent!))
    expect(telling!.vm.instructions()).toBeLessThan(0.9 * silent!.vm.instructions())
    expect(telling!.console).toContain("balloon: away=40\nballoon: away=25\n")
    expect(silent!.console).toContain("only with a hypervisor that listens")
  })

  it("does not mind what programs ask of it, and gets back every page that they had", () => {
    for (const seed of [1, 2, 3]) {
      const chaos = `chaos 1500 ${seed} & chaos 1500 ${seed}7; wait`
      const { console, stop } = natively({ kernel: "kernel", cpus: 2, run: `memory; ${chaos}; ${chaos}; memory; echo alive` })
      const free = [...console.matchAll(/free_pages=(\d+)/g)].map(([, pages]) => pages)
      expect([...console.matchAll(/chaos: calls=1500 refused=some/g)]).toHaveLength(4)
      expect([free[0], console.endsWith("alive\n"), stop]).toEqual([free[1], true, { kind: "end", reason: "shutdown", code: 0 }])
    }
  })

  it("ends a program that does what no program may, and only that one", () => {
    const deeds = ["read", "write", "exec", "kernel", "illegal", "privileged", "null"]
    const { console, stop } = natively({ kernel: "kernel", cpus: 2, run: `${deeds.map((deed) => `bad ${deed}`).join(";")};true` })
    expect([...console.matchAll(/ends: cause (\d+)/g)].map(([, cause]) => cause)).toEqual(["13", "15", "12", "13", "2", "2", "15"])
    expect([console.includes("was allowed"), stop]).toEqual([false, { kind: "end", reason: "shutdown", code: 1 }])
  })
})
