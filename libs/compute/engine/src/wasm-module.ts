/** From the built text to callable functions. Not here: what they mean (assembly/module.ts). */
import { assert, defined } from "@backplane/foundation-base/assert"
import { ENGINE_WASM } from "./engine-wasm.ts"

/**
 * The global that every host of this library has, as far as it is used here: declared by hand, because the type library that
 * knows it (dom) would let timers and the like into every pure package that imports the engine.
 */
declare const WebAssembly: {
  readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => WasmMemory
  readonly Module: new (binary: Uint8Array<ArrayBuffer>) => WasmModule
  readonly Instance: new (module: WasmModule, imports: { readonly env: { readonly memory: WasmMemory } }) => { readonly exports: object }
}

interface WasmMemory {
  readonly buffer: ArrayBuffer
}
type WasmModule = object

/** What assembly/module.ts exports. `cpu` is the address of a state block. */
export interface EngineFunctions {
  configure(ram: number, ramBytes: number, frameFlags: number, frameSlots: number, slots: number, slotCount: number, cpus: number): void
  run(cpu: number, budget: number): void
  /** Instructions of one round, or 0. */
  findRound(cpu: number, most: number): number
  selectTranslation(cpu: number): void
  flushAll(cpu: number): void
  flushPage(cpu: number, virtual: bigint): void
  flushWrites(): void
  /** sfence.vma; `page` 1: of the page of `virtual`. */
  fence(cpu: number, virtual: bigint, page: number): void
  /** What was served since the last look fell into a call (`inside` 1), or not: how many exits that were. */
  lookAtCall(cpu: number, inside: number): number
  installTranslation(cpu: number, virtual: bigint, physical: bigint, permissions: number): void
  translateFor(cpu: number, virtual: bigint, access: number): bigint
  afterDeviceWrite(host: number, size: number): void
  setFrameFlag(host: number, flag: number, on: number): void
  /** 0 none, 1 read, 2 write. */
  setFrameRights(host: number, rights: number): void
  /** Only in builds with planted bugs: wakes one. */
  plant?(bug: number): void
}

/** What the timed build exports on top. */
export interface TimedFunctions extends EngineFunctions {
  configureTiming(header: number): void
  runTogether(budget: number, until: bigint): number
  retiredByAll(): number
  shareFrame(frame: number): void
  dropFrame(frame: number): void
}

export function isTimedBuild(functions: EngineFunctions): functions is TimedFunctions {
  return "configureTiming" in functions && "runTogether" in functions && "dropFrame" in functions
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

/** Plain base64 (RFC 4648), without line breaks. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const values = new Uint8Array(128)
  for (let index = 0; index < ALPHABET.length; index++) values[ALPHABET.charCodeAt(index)] = index
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0
  const bytes = new Uint8Array((text.length / 4) * 3 - padding)
  const value = (at: number): number => defined(values[text.charCodeAt(at)], "base64 is ASCII")
  for (let from = 0, to = 0; from < text.length; from += 4, to += 3) {
    const group = (value(from) << 18) | (value(from + 1) << 12) | (value(from + 2) << 6) | value(from + 3)
    bytes[to] = group >>> 16
    bytes[to + 1] = group >>> 8
    bytes[to + 2] = group
  }
  return bytes
}

/** Linear memory of a fixed size, in units of 64 KiB. */
export function allocate(pages: number): WasmMemory {
  return new WebAssembly.Memory({ initial: pages, maximum: pages })
}

/** `binary`: another build than the committed one, for tests of the tests. */
export function instantiate(memory: WasmMemory, binary: Uint8Array<ArrayBuffer> = decodeBase64(ENGINE_WASM)): EngineFunctions {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(binary), { env: { memory } })
  const functions = instance.exports
  assert(isEngine(functions), "the module exports the functions of the engine")
  return functions
}

function isEngine(functions: object): functions is EngineFunctions {
  return "run" in functions && "configure" in functions && "translateFor" in functions && "installTranslation" in functions
}
