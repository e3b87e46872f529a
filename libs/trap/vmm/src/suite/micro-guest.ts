/** The guest `micro` on a machine of every kind: what its kernel does is said on its command line (tools/guests/programs/micro.c). */
import { assert } from "@backplane/foundation-base/assert"
import { Board } from "@backplane/trap-board/board"
import { machineBytesFor, Vmm } from "../vmm.ts"
import type { Engine, EngineOptions } from "@backplane/compute-contract/engine"
import type { BootImage } from "@backplane/trap-board/board-types"
import type { Planted, Vm, VmOptions } from "../vm.ts"

export const MICRO_BYTES = 16 << 20
const INSTRUCTIONS_MAX = 50_000_000

/** In the order of their numbers on the command line. */
export const MICRO = ["null call", "context switch", "page fault", "fork-like", "working set"] as const
export type Micro = (typeof MICRO)[number]

export interface MicroRun {
  readonly what: Micro
  readonly count: number
  /** The kernel fills a software TLB; has tables of its own; makes hypercalls. */
  readonly soft?: boolean
  readonly split?: boolean
  readonly para?: boolean
}

export function commandLine({ what, count, soft = false, split = false, para = false }: MicroRun): string {
  return `micro=${MICRO.indexOf(what)},${count}${soft ? " soft" : ""}${split ? " split" : ""}${para ? " para" : ""}`
}

export type MicroMachine = Pick<VmOptions, "mode" | "mmu" | "secondLevelTlb" | "costs">

export function microBoard(image: BootImage, run: MicroRun, engineOf: (options: EngineOptions) => Engine): Board {
  const engine = engineOf({ memoryBytes: MICRO_BYTES, cpus: 1 })
  const board = new Board(engine, image, { bootArguments: commandLine(run), softwareTlb: run.soft ?? false })
  const stop = board.run(INSTRUCTIONS_MAX)
  assert(stop.kind === "end" && stop.code === 0, "the guest ends well on its own machine")
  return board
}

export function microVm(
  image: BootImage,
  run: MicroRun,
  { machine, engineOf, planted = {} }: MicroPlace,
): { readonly vmm: Vmm; readonly vm: Vm; readonly stop: ReturnType<Vm["run"]> } {
  const options: VmOptions = { image, vcpus: 1, memoryBytes: MICRO_BYTES, bootArguments: commandLine(run), ...machine }
  const vmm = new Vmm(engineOf({ memoryBytes: machineBytesFor(options), cpus: 1 }))
  const vm = vmm.create(options, planted)
  assert(vm !== null, "there is room for one")
  return { vmm, vm, stop: vm.run(INSTRUCTIONS_MAX) }
}

export interface MicroPlace {
  readonly machine: MicroMachine
  readonly engineOf: (options: EngineOptions) => Engine
  readonly planted?: Planted
}
