/**
 * Random tables under random privileges, on two machines: the native engine that walks them, and a vCPU whose shadow is filled from them.
 * The native engine is the oracle: it is another program, in another language. Used by the laws and by the tests of their planted bugs.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import { Slot } from "@backplane/trap-csr/csr-file"
import { translationOf } from "@backplane/trap-csr/translation"
import { PAGE_BYTES, PAGE_SHIFT } from "../machine-frames.ts"
import { machineBytesFor, Vmm } from "../vmm.ts"
import type { AccessKind, Engine, EngineOptions } from "@backplane/compute-contract/engine"
import type { BootImage } from "@backplane/trap-board/board-types"
import type { Planted, Vm } from "../vm.ts"
import type { Vcpu } from "../vcpu.ts"

const RAM = 0x8000_0000n
const MEMORY_BYTES = 1 << 20
/** Where the tables lie; data pages are all others. */
const FIRST_TABLE = (RAM >> PAGE_SHIFT) + 64n
export const TABLES = 6
const SUM = 1n << 18n
const MXR = 1n << 19n
/** Entries of a table that are used at all: first, second, last, and one in between. */
export const INDICES = [0, 1, 5, 511] as const

export type Step =
  | { readonly kind: "entry"; readonly table: number; readonly index: number; readonly target: number; readonly flags: number }
  | { readonly kind: "state"; readonly root: number; readonly privilege: 0 | 1; readonly sum: boolean; readonly mxr: boolean }
  | { readonly kind: "access"; readonly indices: readonly [number, number, number]; readonly high: boolean; readonly access: AccessKind }

const IMAGE: BootImage = { entry: RAM, start: "machine", segments: [], symbols: new Map() }

/** Tables, data, devices, behind the guest's RAM (but not behind the machine's), and nowhere. */
function pageOf(target: number): bigint {
  if (target < TABLES) return FIRST_TABLE + BigInt(target)
  const others = [
    RAM >> PAGE_SHIFT,
    (RAM >> PAGE_SHIFT) + 1n,
    0x10000n,
    0x0n,
    (RAM + BigInt(MEMORY_BYTES)) >> PAGE_SHIFT,
    (1n << 44n) - 1n,
    1n << 18n,
  ]
  return defined(others[(target - TABLES) % others.length], "the remainder is an index")
}

export class TranslationWorld {
  readonly vmm: Vmm
  readonly vm: Vm
  readonly #native: Engine

  constructor(engineOf: (options: EngineOptions) => Engine, planted: Planted = {}) {
    this.#native = engineOf({ memoryBytes: MEMORY_BYTES, cpus: 1 })
    const options = { image: IMAGE, vcpus: 1, memoryBytes: MEMORY_BYTES, mode: "trap" } as const
    this.vmm = new Vmm(engineOf({ memoryBytes: 2 * machineBytesFor({ memoryBytes: MEMORY_BYTES, vcpus: 1 }), cpus: 1 }))
    const vm = this.vmm.create(options, planted)
    assert(vm !== null, "there is room for two")
    this.vm = vm
    const { file, mmu } = this.#vcpu()
    // All memory is open to S and U: what PMP does is not asked here.
    file.set(Slot.pmpcfg0, 0x1fn)
    file.set(Slot.pmpaddr0, (1n << 54n) - 1n)
    mmu.protectionChanged()
    this.#apply({ kind: "state", root: 0, privilege: 1, sum: false, mxr: false })
  }

  /** What each machine says to the step: equal texts, or the law is broken. */
  step(step: Step): { readonly seen: string; readonly wanted: string } {
    if (step.kind !== "access") {
      this.#apply(step)
      return { seen: "", wanted: "" }
    }
    const address = addressOf(step)
    return {
      seen: `${this.#shadowed(address, step.access)} ${this.#vmTables()}`,
      wanted: `${this.#natively(address, step.access)} ${this.#nativeTables()}`,
    }
  }

  #apply(step: Exclude<Step, { kind: "access" }>): void {
    const vcpu = this.#vcpu()
    if (step.kind === "entry") {
      const bytes = new Uint8Array(8)
      new DataView(bytes.buffer).setBigUint64(0, (pageOf(step.target) << 10n) | BigInt(step.flags), true)
      const at = ((FIRST_TABLE + BigInt(step.table)) << PAGE_SHIFT) + BigInt(step.index * 8)
      this.#native.writeMemory(at, bytes)
      this.#native.flushTranslations(0)
      this.vm.memory.write(at, bytes)
      vcpu.mmu.fence({ address: null, addressSpace: null })
      return
    }
    vcpu.file.set(Slot.privilege, BigInt(step.privilege))
    vcpu.file.set(Slot.satp, step.root >= TABLES ? 0n : (8n << 60n) | (FIRST_TABLE + BigInt(step.root)))
    vcpu.file.set(Slot.mstatus, (step.sum ? SUM : 0n) | (step.mxr ? MXR : 0n))
    vcpu.mmu.moved()
    this.#native.setTranslation(0, translationOf(vcpu.file))
  }

  #vcpu(): Vcpu {
    return defined(this.vm.vcpus[0], "a VM has a vCPU")
  }

  #natively(address: bigint, access: AccessKind): string {
    const found = this.#native.translate(0, address, access)
    if ("cause" in found) return `cause ${found.cause}`
    const outside = found.address >= RAM ? found.address >= RAM + BigInt(MEMORY_BYTES) : access === "fetch"
    return outside ? `cause ${{ fetch: 1, load: 5, store: 7 }[access]}` : `0x${found.address.toString(16)}`
  }

  #shadowed(address: bigint, access: AccessKind): string {
    const vcpu = this.#vcpu()
    for (let turn = 0; turn < 2; turn += 1) {
      this.vmm.machineSwitch.enter(vcpu, 0)
      const found = this.vmm.engine.translate(0, address, access)
      if ("address" in found) return this.#physical(found.address)
      const filled = vcpu.mmu.fault(address, access)
      if (filled.kind === "fault") return `cause ${filled.cause}`
    }
    return "filled, and still not there"
  }

  /** The physical address behind a machine address: searched for, since nobody keeps that map. */
  #physical(machine: bigint): string {
    if (machine < RAM) return `0x${machine.toString(16)}`
    for (let page = RAM >> PAGE_SHIFT; page < (RAM + BigInt(MEMORY_BYTES)) >> PAGE_SHIFT; page += 1n) {
      const resident = this.vm.memory.isResident(page) && this.vm.memory.machinePage(page) === machine >> PAGE_SHIFT
      if (resident) return `0x${((page << PAGE_SHIFT) | (machine & BigInt(PAGE_BYTES - 1))).toString(16)}`
    }
    return `a frame of somebody else: 0x${machine.toString(16)}`
  }

  #vmTables(): string {
    return entries((at, bytes) => this.vm.memory.read(at, bytes))
  }

  #nativeTables(): string {
    return entries((at, bytes) => this.#native.readMemory(at, bytes))
  }
}

/** The entries in use, with their A and D bits. */
function entries(read: (address: bigint, bytes: number) => Uint8Array): string {
  const texts: string[] = []
  for (let table = 0; table < TABLES; table += 1) {
    for (const index of INDICES) {
      const bytes = read(((FIRST_TABLE + BigInt(table)) << PAGE_SHIFT) + BigInt(index * 8), 8)
      texts.push(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true).toString(36))
    }
  }
  return texts.join(",")
}

/** `high`: bits 63…39 are wrong. */
function addressOf({ indices: [top, middle, leaf], high }: Extract<Step, { kind: "access" }>): bigint {
  const low = (BigInt(top) << 30n) | (BigInt(middle) << 21n) | (BigInt(leaf) << PAGE_SHIFT) | 0x123n
  return BigInt.asUintN(64, BigInt.asIntN(39, low)) ^ (high ? 1n << 50n : 0n)
}
