/** Software TLB, nested paging, balloon and idle loops: each law, and a VMM that breaks it. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readImage } from "@backplane/compute-image/image"
import { Slot } from "@backplane/trap-csr/csr-file"
import { csrByNumber } from "@backplane/trap-csr/csr-table"
import { Board } from "@backplane/trap-board/board"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { architectureOfBoard, architectureOfVm } from "./architecture-state.ts"
import { audit } from "./audit.ts"
import { SoftTlbMmu } from "./softtlb-mmu.ts"
import { machineBytesFor, Vmm } from "./vmm.ts"
import { commandLine, MICRO_BYTES, microBoard, type MicroMachine, type MicroRun } from "./suite/micro-guest.ts"
import type { EngineOptions } from "@backplane/compute-contract/engine"
import type { BootImage } from "@backplane/trap-board/board-types"
import type { Vm } from "./vm.ts"

const engineOf = (options: EngineOptions): WasmEngine => new WasmEngine(options)

function microImage(): BootImage {
  const guest = readManifest().guests.find(({ name }) => name === "micro")!
  const image = readImage(readFileSync(imagePath(guest)), { memory: { base: 0x8000_0000n, bytes: BigInt(MICRO_BYTES) }, symbols: [] })
  if (image.kind === "rejection") throw new Error(image.reason)
  return image
}

const IMAGE = microImage()

function make(run: MicroRun, machine: MicroMachine): { readonly vmm: Vmm; readonly vm: Vm } {
  const options = { image: IMAGE, vcpus: 1, memoryBytes: MICRO_BYTES, bootArguments: commandLine(run), ...machine }
  const vmm = new Vmm(engineOf({ memoryBytes: machineBytesFor(options), cpus: 1 }))
  return { vmm, vm: vmm.create(options)! }
}

/** Does the guest end as on its own machine, with nothing for an audit to find on the way? */
function endsWell(run: MicroRun, machine: MicroMachine, plant: (vm: Vm) => void): boolean {
  const { vmm, vm } = make(run, machine)
  plant(vm)
  let breaches = 0
  for (let turn = 0; turn < 400 && vm.end() === null; turn += 1) {
    vm.run(5000)
    if (turn % 20 === 0) breaches += audit(vmm).length
  }
  const wanted = architectureOfBoard(microBoard(IMAGE, run, engineOf))
  return breaches === 0 && vm.end()?.code === 0 && architectureOfVm(vm, vmm.machineSwitch) === wanted
}

describe("a guest that fills its TLB", () => {
  const run = { what: "working set", count: 2, soft: true } as const
  const machine = { mode: "trap", mmu: "softtlb" } as const

  it("ends as on its own machine; not if the engine keeps what its TLB has lost", { timeout: 60_000 }, () => {
    expect(endsWell(run, machine, () => undefined)).toBe(true)
    expect(endsWell(run, machine, (vm) => (vm.vcpus[0]!.mmu.takeFlush = () => []))).toBe(false)
  })

  it("finds nothing in the second level that it fenced, and a second level that forgets the fence is noticed", () => {
    const remembers = (plant: (mmu: SoftTlbMmu) => void): boolean => {
      const { vm } = make(run, { ...machine, secondLevelTlb: true })
      const { file, mmu } = vm.vcpus[0]!
      if (!(mmu instanceof SoftTlbMmu)) throw new Error("the VM has a software TLB")
      plant(mmu)
      const moment = { instret: 0n, time: 0n }
      // One page, and then so many others that its entry is replaced for sure.
      for (let page = 0n; page < 1000n; page += 1n) {
        csrByNumber(0x5c0)!.write(file, (0x4_0000n + page) << 12n, moment)
        csrByNumber(0x5c4)!.write(file, (0x8_0100n << 10n) | 0xcfn, moment)
      }
      expect(file.tlb!.look(0x4000_0000n, 0)).toBe(-1)
      expect(mmu.secondLevel!.look(0x4000_0000n, 0)).not.toBeNull()
      file.tlb!.fence({ address: 0x4000_0000n, addressSpace: null })
      expect(mmu.secondLevel!.look(0x4000_1000n, 0)).not.toBeNull()
      return mmu.secondLevel!.look(0x4000_0000n, 0) !== null
    }
    expect(remembers(() => undefined)).toBe(false)
    expect(remembers((mmu) => (mmu.secondLevel!.fenced = () => undefined))).toBe(true)
  })
})

describe("a page that is given back", () => {
  const PAGE = 0x8080_0000n
  const LIST = 0x8081_0000n

  /** Touches the page, gives it back, and says what an audit finds. */
  function balloon(mmu: "shadow" | "nested", plant: (vm: Vm) => void): number {
    const { vmm, vm } = make({ what: "null call", count: 3, para: true }, { mode: "para", mmu })
    const vcpu = vm.vcpus[0]!
    vm.run(100_000)
    // The machine is in M-mode or bare S-mode here: the page is reached at its own address.
    vmm.machineSwitch.enter(vcpu, 0)
    if (mmu === "nested") expect(vcpu.mmu.stageMiss(PAGE, { access: "load", write: false }).kind).toBe("filled")
    else expect(vcpu.mmu.fault(PAGE, "load").kind).toBe("filled")
    plant(vm)
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setBigUint64(0, PAGE, true)
    vm.memory.write(LIST, bytes)
    const registers = new Map([[10, LIST], [11, 1n], [16, 5n], [17, 0x0a00_4250n]]) // prettier-ignore
    const view = { moment: { instret: 0n, time: 0n }, register: (index: number) => registers.get(index) ?? 0n }
    const answer = vm.para!.call(vcpu, view)
    expect(answer.step).toMatchObject({ registers: [{ value: 0n }, { value: 1n }] })
    expect([vm.memory.isOut(PAGE >> 12n), vm.memory.machinePage(PAGE >> 12n)]).toEqual([true, null])
    return audit(vmm).length
  }

  for (const mmu of ["shadow", "nested"] as const) {
    it(`is out of reach under ${mmu}, and a way that is kept is noticed`, () => {
      expect(balloon(mmu, () => undefined)).toBe(0)
      expect(balloon(mmu, (vm) => (vm.vcpus[0]!.mmu.pagesGone = () => undefined))).toBeGreaterThan(0)
    })
  }
})

describe("a batch of table updates", () => {
  const TABLE = 0x8082_0000n
  const [LIST, OLD, NEW] = [0x8081_0000n, 0x8083_0000n, 0x8084_0000n]
  const LEAF = 0xcfn // V R W X A D
  const leaf = (page: bigint): bigint => ((page >> 12n) << 10n) | LEAF

  /** Root, middle and leaf table at TABLE and the next pages; virtual page n at n × 4 KiB. Page 0 leads to OLD, page 1 to nothing. */
  function stage(plant: (vm: Vm) => void = () => undefined) {
    const { vmm, vm } = make({ what: "null call", count: 3, para: true }, { mode: "para", mmu: "shadow" })
    vm.run(100_000)
    const vcpu = vm.vcpus[0]!
    vmm.machineSwitch.enter(vcpu, 0)
    vm.memory.write64(TABLE, (((TABLE >> 12n) + 1n) << 10n) | 1n)
    vm.memory.write64(TABLE + 0x1000n, (((TABLE >> 12n) + 2n) << 10n) | 1n)
    vm.memory.write64(TABLE + 0x2000n, leaf(OLD))
    vcpu.file.set(Slot.privilege, 1n)
    csrByNumber(0x180)!.write(vcpu.file, (8n << 60n) | (TABLE >> 12n), { instret: 0n, time: 0n })
    vcpu.mmu.moved()
    plant(vm)
    expect(vcpu.mmu.fault(0n, "load").kind).toBe("filled")
    const known = (): readonly string[] =>
      vcpu.mmu
        .trees()
        .flatMap((tree) =>
          [...tree.entries()]
            .filter(({ address }) => address < 0x10_0000n)
            .map(({ address, machinePage }) => `${address >> 12n}:${machinePage === vm.memory.machinePage(OLD >> 12n) ? "old" : "new"}`),
        )
    const update = (page: bigint, entry: bigint): void => {
      vm.memory.write64(LIST, TABLE + 0x2000n + page * 8n)
      vm.memory.write64(LIST + 8n, entry)
      const registers = new Map([[10, LIST], [11, 1n], [16, 2n], [17, 0x0a00_4250n]]) // prettier-ignore
      const view = { moment: { instret: 0n, time: 0n }, register: (index: number) => registers.get(index) ?? 0n }
      expect(vm.para!.call(vcpu, view).step).toMatchObject({ registers: [{ value: 0n }, { value: 1n }] })
    }
    return { vm, vcpu, known, update }
  }

  it("keeps what the shadow knows where the old entry was invalid, and the new page is found", () => {
    const { vm, vcpu, known, update } = stage()
    update(1n, leaf(NEW))
    expect(known()).toEqual(["0:old"])
    expect([vcpu.mmu.fault(0x1000n, "load").kind, known().toSorted()]).toEqual(["filled", ["0:old", "1:new"]])
    expect(vm.memory.read64(TABLE + 0x2008n)).toBe(leaf(NEW))
  })

  it("forgets where the old entry was valid", () => {
    const { known, update } = stage()
    update(0n, leaf(NEW))
    expect(known()).toEqual([])
  })

  it("forgets where a fence is owed: the guest had taken the entry away by itself, and a VMM that does not ask is noticed", () => {
    const owed = (plant?: (vm: Vm) => void): readonly string[] => {
      const { vm, known, update } = stage(plant)
      vm.memory.write64(TABLE + 0x2000n, 0n)
      update(0n, leaf(NEW))
      return known()
    }
    expect(owed()).toEqual([])
    expect(owed((vm) => (vm.vcpus[0]!.mmu.owes = () => false))).toEqual(["0:old"])
  })
})

describe("nested paging", () => {
  it("ends as on its own machine; not if sfence.vma forgets nothing", { timeout: 60_000 }, () => {
    const run = { what: "fork-like", count: 3 } as const
    // Its host's code carries fences out: the CPU itself has no such bug.
    const machine = { mode: "trap", mmu: "nested", served: "outside" } as const
    expect(endsWell(run, machine, () => undefined)).toBe(true)
    expect(endsWell(run, machine, (vm) => (vm.vcpus[0]!.mmu.fence = () => undefined))).toBe(false)
  })
})

describe("an idle loop", () => {
  const RAM = 0x8000_0000n
  /** auipc x5, 0; then the loop: lw x6, 64(x5); addi x6, x6, 1; sw x6, 64(x5); li x6, 0; j back. Registers come back, memory does not. */
  const COUNTS = [0x297, 0x0402a303, 0x130313, 0x0462a023, 0x313, 0xff1ff06f]
  /** The same without the store. */
  const POLLS = [0x297, 0x0402a303, 0x130313, 0x13, 0x313, 0xff1ff06f]

  function image(code: readonly number[]): BootImage {
    const data = new Uint8Array(128)
    code.forEach((word, index) => new DataView(data.buffer).setUint32(index * 4, word, true))
    return { entry: RAM, start: "machine", symbols: new Map(), segments: [{ address: RAM, data, memoryBytes: 128n }] }
  }

  function run(code: readonly number[]) {
    const options = { image: image(code), vcpus: 1, memoryBytes: 1 << 20, mode: "trap" } as const
    const vmm = new Vmm(engineOf({ memoryBytes: machineBytesFor(options), cpus: 1 }))
    const vm = vmm.create(options)!
    vm.run(300_000)
    const board = new Board(engineOf({ memoryBytes: 1 << 20, cpus: 1 }), options.image)
    board.run(300_000)
    return { same: architectureOfVm(vm, vmm.machineSwitch) === architectureOfBoard(board), ...vm.idleLoops() }
  }

  it("that only polls is counted, not executed, and nobody can tell", () => {
    const { same, skipped } = run(POLLS)
    expect(same).toBe(true)
    expect(skipped).toBeGreaterThan(295_000)
  })

  it("that writes memory is none", () => {
    expect(run(COUNTS)).toMatchObject({ same: true, skipped: 0 })
  })

  it("gives the CPU to those who work", () => {
    const busy = image(COUNTS)
    const polling = image(POLLS)
    const options = { vcpus: 1, memoryBytes: 1 << 20, mode: "trap" } as const
    const vmm = new Vmm(engineOf({ memoryBytes: 2 * machineBytesFor(options), cpus: 1 }))
    const [works, waits] = [busy, polling].map((one) => vmm.create({ ...options, image: one })!)
    const turns = Array.from({ length: 60 }, () => vmm.runNext(5000)!.vm)
    expect(turns.filter((vm) => vm === works).length).toBeGreaterThan(turns.length - 3)
    // Its time goes on all the same: what it would have polled meanwhile counts as polled.
    expect(waits!.idleLoops().skipped).toBeGreaterThan(waits!.instructions() * 0.95)
  })
})

describe("weights", () => {
  it("divide the CPU among VMs that always run", () => {
    const data = new Uint8Array(64)
    // addi x5, x5, 1; j back: busy for all that anybody knows.
    new DataView(data.buffer).setUint32(0, 0x128293, true)
    new DataView(data.buffer).setUint32(4, 0xffdff06f, true)
    const image: BootImage = {
      entry: 0x8000_0000n,
      start: "machine",
      symbols: new Map(),
      segments: [{ address: 0x8000_0000n, data, memoryBytes: 64n }],
    }
    const options = { image, vcpus: 1, memoryBytes: 1 << 20, mode: "trap" } as const
    const vmm = new Vmm(engineOf({ memoryBytes: 3 * machineBytesFor(options), cpus: 1 }))
    const vms = [1, 2, 3].map((weight) => vmm.create({ ...options, weight })!)
    for (let turn = 0; turn < 120; turn += 1) vmm.runNext(1000)
    const shares = vms.map((vm) => vm.instructions() / 120_000)
    expect(shares.map((share) => Math.round(share * 6))).toEqual([1, 2, 3])
  })
})
