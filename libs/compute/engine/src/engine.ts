/**
 * The face of the WebAssembly engine: checks what comes in, moves values between bigint and linear memory, and gives exits a shape.
 * What executes is assembly/; the layout is layout.ts; the promises are in compute/contract/engine.
 */
import { assert } from "@backplane/foundation-base/assert"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { decode, instructionLength } from "@backplane/compute-riscv/decode"
import { readExit } from "./exit.ts"
import {
  ACCESS,
  CPU_BYTES,
  EXIT,
  FRAME_WATCHED,
  LAYOUT,
  MODE,
  PAGE_BYTES,
  PROTECTION_REGIONS_MAX,
  PROTECTION_REGION_BYTES,
  STATES,
  memoryMap,
} from "./layout.ts"
import { readLookUps } from "./look-ups.ts"
import { permissionBits } from "./permissions.ts"
import { PrivilegedState } from "./privileged-cpus.ts"
import { EngineTiming, timingBytes } from "./engine-timing.ts"
import { allocate, instantiate, isTimedBuild } from "./wasm-module.ts"
import type {
  AccessKind,
  CpuState,
  Engine,
  EngineExit,
  EngineOptions,
  FoundRound,
  FrameRights,
  InstalledTranslation,
  LookUp,
  ProtectionRegion,
  Translation,
} from "@backplane/compute-contract/engine"
import type { MemoryMap } from "./layout.ts"
import type { PrivilegedCpus } from "@backplane/compute-contract/privileged"
import type { TimingParameters } from "@backplane/compute-contract/timing"
import type { EngineFunctions } from "./wasm-module.ts"

/** State blocks come before everything else in linear memory. */
export const CPUS_MAX = 64
/** Linear memory has 32-bit addresses. */
export const MEMORY_BYTES_MAX = 3 * 2 ** 30
const REGISTERS = 32
const WASM_PAGE_BYTES = 65536
const LITTLE = true
const FRAME_RIGHTS: Readonly<Record<FrameRights, number>> = { none: 0, read: 1, write: 2 }
const FAILED = 2n ** 64n - 1n

/** Another build than the committed one: the timed one with its costs, or for tests of the tests one with a planted bug awake. */
export interface EngineBuild {
  readonly binary: Uint8Array<ArrayBuffer>
  readonly planted?: number
  readonly timing?: TimingParameters
}

export class WasmEngine implements Engine {
  readonly options: EngineOptions
  /** Virtual time; null in the functional build, which has none. */
  readonly timing: EngineTiming | null
  /** Null in the timed build: there the host sees every privileged operation, and has it cost time. */
  readonly privileged: PrivilegedCpus | null
  readonly #map: MemoryMap
  readonly #bytes: Uint8Array<ArrayBuffer>
  readonly #view: DataView
  readonly #functions: EngineFunctions

  constructor(options: EngineOptions, build?: EngineBuild) {
    const { memoryBytes, cpus } = options
    assert(Number.isInteger(cpus) && cpus >= 1 && cpus <= CPUS_MAX, `cpus is 1…${CPUS_MAX}`)
    assert(
      memoryBytes % PAGE_BYTES === 0 && memoryBytes >= PAGE_BYTES && memoryBytes <= MEMORY_BYTES_MAX,
      "memoryBytes is whole pages, up to 3 GiB",
    )
    this.options = options
    this.#map = memoryMap(memoryBytes, cpus)
    const timedBytes = build?.timing === undefined ? 0 : timingBytes(build.timing, options)
    const memory = allocate(Math.ceil((this.#map.bytes + timedBytes) / WASM_PAGE_BYTES))
    this.#bytes = new Uint8Array(memory.buffer)
    this.#view = new DataView(memory.buffer)
    this.#functions = instantiate(memory, build?.binary)
    if (build?.planted !== undefined) this.#functions.plant?.(build.planted)
    const { ram, frameFlags, frameSlots, slots, slotCount } = this.#map
    this.#functions.configure(ram, memoryBytes, frameFlags, frameSlots, slots, slotCount, cpus)
    this.timing = this.#makeTiming(build?.timing)
    const place = { view: this.#view, functions: this.#functions, at: (cpu: number) => this.#at(cpu) }
    this.privileged = this.timing === null ? new PrivilegedState(place) : null
    for (let cpu = 0; cpu < cpus; cpu++) {
      this.setTranslation(cpu, { mode: "bare", root: 0n, fetchPrivilege: 3, dataPrivilege: 3, sum: false, mxr: false })
    }
  }

  #makeTiming(timing: TimingParameters | undefined): EngineTiming | null {
    if (timing === undefined) return null
    const functions = this.#functions
    assert(isTimedBuild(functions), "costs are given to the timed build only")
    return new EngineTiming(timing, { ...this.options, view: this.#view, functions, at: this.#map.bytes, ram: this.#map.ram })
  }

  /** The exit fields of a CPU that left while all ran together (`timing.runTogether`). */
  lastExit(cpu: number): EngineExit {
    return readExit(this.#view, this.#at(cpu))
  }

  run(cpu: number, budgetInstructions: number): EngineExit {
    assert(
      Number.isInteger(budgetInstructions) && budgetInstructions >= 1 && budgetInstructions < 2 ** 31,
      "a budget is 1…2^31-1 instructions",
    )
    const at = this.#at(cpu)
    this.#functions.run(at, budgetInstructions)
    return readExit(this.#view, at)
  }

  findRound(cpu: number, mostInstructions: number): FoundRound {
    assert(Number.isInteger(mostInstructions) && mostInstructions >= 0 && mostInstructions < 2 ** 31, "a round is 0…2^31-1 instructions")
    const at = this.#at(cpu)
    const round = this.#functions.findRound(at, mostInstructions)
    const exit = readExit(this.#view, at)
    return { steps: exit.retired, round: round === 0 ? null : round, exit: exit.kind === "budget" ? null : exit }
  }

  readRegister(cpu: number, index: number): bigint {
    assert(index >= 0 && index < REGISTERS, "a register is x0…x31")
    return this.#view.getBigUint64(this.#at(cpu) + index * 8, LITTLE)
  }

  writeRegister(cpu: number, index: number, value: bigint): void {
    assert(index >= 0 && index < REGISTERS, "a register is x0…x31")
    if (index !== 0) this.#view.setBigUint64(this.#at(cpu) + index * 8, value, LITTLE)
  }

  readPc(cpu: number): bigint {
    return this.#view.getBigUint64(this.#at(cpu) + LAYOUT.PC, LITTLE)
  }

  writePc(cpu: number, pc: bigint): void {
    assert((pc & 1n) === 0n, "a pc is even")
    this.#view.setBigUint64(this.#at(cpu) + LAYOUT.PC, pc, LITTLE)
  }

  readInstret(cpu: number): bigint {
    return this.#view.getBigUint64(this.#at(cpu) + LAYOUT.INSTRET, LITTLE)
  }

  writeInstret(cpu: number, instret: bigint): void {
    this.#view.setBigUint64(this.#at(cpu) + LAYOUT.INSTRET, instret, LITTLE)
  }

  captureCpu(cpu: number): CpuState {
    const registers = Array.from({ length: REGISTERS }, (_, index) => this.readRegister(cpu, index))
    return { registers, pc: this.readPc(cpu), instret: this.readInstret(cpu) }
  }

  restoreCpu(cpu: number, state: CpuState): void {
    assert(state.registers.length === REGISTERS, "a CPU has 32 registers")
    state.registers.forEach((value, index) => this.writeRegister(cpu, index, value))
    this.writePc(cpu, state.pc)
    this.writeInstret(cpu, state.instret)
    this.clearReservation(cpu)
  }

  completeLoad(cpu: number, value: bigint): void {
    const instruction = this.#exited(cpu, EXIT.IO_LOAD)
    const operation = decode(instruction)
    assert(operation?.instruction.operation.kind === "load", "what left as io-load is a load")
    const { width, signed } = operation.instruction.operation
    this.writeRegister(cpu, operation.rd, signed ? BigInt.asIntN(width * 8, value) : BigInt.asUintN(width * 8, value))
    this.#retire(cpu, instruction)
  }

  completeStore(cpu: number): void {
    this.#retire(cpu, this.#exited(cpu, EXIT.IO_STORE))
  }

  completeSystem(cpu: number, result?: bigint): void {
    const instruction = this.#exited(cpu, EXIT.SYSTEM)
    if (result !== undefined) this.writeRegister(cpu, (instruction >>> 7) & 31, result)
    this.#retire(cpu, instruction)
  }

  completeJump(cpu: number, pc: bigint): void {
    this.#retire(cpu, this.#exited(cpu, EXIT.SYSTEM))
    this.writePc(cpu, pc)
  }

  setTranslation(cpu: number, translation: Translation): void {
    const at = this.#at(cpu)
    const { fetchPrivilege, dataPrivilege } = translation
    // Machine mode is bare: told here, so that going to machine mode and back finds its bank whatever satp was.
    const bare = translation.mode === "bare" || (translation.mode === "sv39" && fetchPrivilege === 3 && dataPrivilege === 3)
    const mode = bare ? MODE.BARE : translation.mode === "sv39" ? MODE.SV39 : MODE.REFILL
    this.#view.setUint32(at + LAYOUT.MODE, mode, LITTLE)
    this.#view.setUint32(at + LAYOUT.FETCH_PRIVILEGE, fetchPrivilege, LITTLE)
    this.#view.setUint32(at + LAYOUT.DATA_PRIVILEGE, dataPrivilege, LITTLE)
    this.#view.setUint32(at + LAYOUT.TRANSLATION_FLAGS, bare ? 0 : (translation.sum ? 1 : 0) | (translation.mxr ? 2 : 0), LITTLE)
    this.#view.setBigUint64(at + LAYOUT.ROOT, bare ? 0n : translation.root, LITTLE)
    const second = translation.secondStage ?? 0n
    if (this.#view.getBigUint64(at + LAYOUT.SECOND_STAGE, LITTLE) === second) return this.#functions.selectTranslation(at)
    // No bank is keyed by it: whoever goes to another second stage goes to another machine.
    this.#view.setBigUint64(at + LAYOUT.SECOND_STAGE, second, LITTLE)
    this.#functions.flushAll(at)
  }

  setProtection(cpu: number, protection: { readonly regions: readonly ProtectionRegion[]; readonly denyUnmatched: boolean }): void {
    assert(protection.regions.length <= PROTECTION_REGIONS_MAX, `at most ${PROTECTION_REGIONS_MAX} regions`)
    const at = this.#at(cpu)
    this.#view.setUint32(at + LAYOUT.PROTECTION_COUNT, protection.regions.length, LITTLE)
    this.#view.setUint32(at + LAYOUT.PROTECTION_DENY_UNMATCHED, protection.denyUnmatched ? 1 : 0, LITTLE)
    protection.regions.forEach((region, index) => {
      const entry = at + LAYOUT.PROTECTION + index * PROTECTION_REGION_BYTES
      this.#view.setBigUint64(entry, region.from, LITTLE)
      this.#view.setBigUint64(entry + 8, region.to, LITTLE)
      this.#view.setUint32(entry + 16, permissionBits(region), LITTLE)
    })
    this.#functions.flushAll(at)
  }

  flushTranslations(cpu: number, virtualAddress?: bigint): void {
    if (virtualAddress === undefined) this.#functions.flushAll(this.#at(cpu))
    else this.#functions.flushPage(this.#at(cpu), virtualAddress)
  }

  installTranslation(cpu: number, entry: InstalledTranslation): void {
    assert(this.#view.getUint32(this.#at(cpu) + LAYOUT.MODE, LITTLE) === MODE.REFILL, "translations are installed in mode refill")
    this.#functions.installTranslation(
      this.#at(cpu),
      entry.virtualAddress,
      entry.physicalAddress,
      permissionBits({ ...entry, locked: false }),
    )
  }

  translate(cpu: number, virtualAddress: bigint, access: AccessKind): { readonly address: bigint } | { readonly cause: number } {
    const at = this.#at(cpu)
    const kind = access === "fetch" ? ACCESS.FETCH : access === "load" ? ACCESS.LOAD : ACCESS.STORE
    const address = BigInt.asUintN(64, this.#functions.translateFor(at, virtualAddress, kind))
    return address === FAILED ? { cause: this.#view.getUint32(at + LAYOUT.EXIT_CAUSE, LITTLE) } : { address }
  }

  lookUps(cpu: number): readonly LookUp[] {
    return readLookUps({ view: this.#view, at: this.#at(cpu), ram: this.#map.ram })
  }

  isMemory(address: bigint, bytes: number): boolean {
    return address >= RAM_BASE && address + BigInt(bytes) <= RAM_BASE + BigInt(this.options.memoryBytes)
  }

  readMemory(address: bigint, bytes: number, into?: Uint8Array): Uint8Array {
    const host = this.#host(address, bytes)
    if (into === undefined) return this.#bytes.slice(host, host + bytes)
    into.set(this.#bytes.subarray(host, host + bytes))
    return into
  }

  writeMemory(address: bigint, data: Uint8Array): void {
    if (data.length === 0) return
    const host = this.#host(address, data.length)
    this.#bytes.set(data, host)
    this.#functions.afterDeviceWrite(host, data.length)
  }

  watchPage(address: bigint, watched: "watched" | "unwatched"): void {
    this.#functions.setFrameFlag(this.#host(address, 1), FRAME_WATCHED, watched === "watched" ? 1 : 0)
    this.#functions.flushWrites()
  }

  setFrameRights(address: bigint, rights: FrameRights): void {
    this.#functions.setFrameRights(this.#host(address & ~BigInt(PAGE_BYTES - 1), PAGE_BYTES), FRAME_RIGHTS[rights])
  }

  clearReservation(cpu: number): void {
    this.#view.setUint32(this.#at(cpu) + LAYOUT.RESERVATION, 0, LITTLE)
  }

  readReservation(cpu: number): bigint | null {
    const host = this.#view.getUint32(this.#at(cpu) + LAYOUT.RESERVATION, LITTLE)
    return host === 0 ? null : BigInt(host - this.#map.ram) + RAM_BASE
  }

  writeReservation(cpu: number, address: bigint): void {
    this.#view.setUint32(this.#at(cpu) + LAYOUT.RESERVATION, this.#host(address, 1), LITTLE)
  }

  #at(cpu: number): number {
    assert(cpu >= 0 && cpu < this.options.cpus, "the CPU exists")
    return STATES + cpu * CPU_BYTES
  }

  #host(address: bigint, bytes: number): number {
    assert(this.isMemory(address, bytes), "the range is RAM")
    return this.#map.ram + Number(address - RAM_BASE)
  }

  /** The instruction of the last exit, which must be of this kind and not completed before. */
  #exited(cpu: number, kind: number): number {
    const at = this.#at(cpu)
    assert(this.#view.getUint32(at + LAYOUT.EXIT_KIND, LITTLE) === kind, "the last exit is of the kind that is completed")
    this.#view.setUint32(at + LAYOUT.EXIT_KIND, EXIT.BUDGET, LITTLE)
    return this.#view.getUint32(at + LAYOUT.EXIT_INSTRUCTION, LITTLE)
  }

  #retire(cpu: number, instruction: number): void {
    this.writePc(cpu, this.readPc(cpu) + BigInt(instructionLength(instruction)))
    this.writeInstret(cpu, this.readInstret(cpu) + 1n)
  }
}
