/** A guest on its machine, whichever: the native board, or a VM under the VMM. */
import { Board } from "@backplane/trap-board/board"
import { leavesRoomForDeviceTree } from "@backplane/trap-board/boot"
import { CPUS_MAX, MEMORY_BYTES_MAX, WasmEngine } from "@backplane/compute-engine/engine"
import { architectureOfBoard, architectureOfVm } from "@backplane/trap-vmm/architecture-state"
import { machineBytesFor, Vmm } from "@backplane/trap-vmm/vmm"
import { devicesOf } from "./boot-devices.ts"
import { readGuest } from "./guest-file.ts"
import { refuse, type BootFlags, type BootPlan } from "./boot-flags.ts"
import { virtualTimeOrder } from "@backplane/trap-board/turn-order"
import { timedEngineFor, timedPlanOf, timingReport, type TimingReport } from "./boot-timing.ts"
import type { Console } from "@backplane/trap-board/console"
import type { MemoryDisk } from "@backplane/trap-devices/virtio-block/disk"
import type { CostTable } from "@backplane/trap-vmm/costs"
import type { Ledger } from "@backplane/trap-vmm/ledger"
import type { Hypercalls } from "@backplane/trap-vmm/hypercalls"
import type { SystemCalls } from "@backplane/trap-vmm/system-calls"
import type { TlbMisses } from "@backplane/trap-vmm/tlb-misses"
import type { VmOptions, VmStop } from "@backplane/trap-vmm/vm"

export interface BootMachine {
  run(budgetInstructions: number): VmStop
  readonly console: Console
  instructions(): number
  /** Hash over the guest's memory, registers and CSRs: the same whoever ran it, and however. */
  state(): string
  /** What left the engine, by cause; the native machine has no VMM to leave to. */
  exits(): ReadonlyMap<string, number>
  /** The books of a VM; null natively. */
  readonly virtual: VirtualBooks | null
  readonly disk: MemoryDisk | null
  /** The account of virtual time so far; null in a functional run. */
  readonly timing: (() => TimingReport) | null
}

export interface VirtualBooks {
  readonly ledger: Ledger
  readonly systemCalls: SystemCalls
  readonly tlbMisses: TlbMisses
  /** Null: the guest may make no hypercalls. */
  readonly para: Hypercalls | null
}

const PAGE_BYTES = 4096
const MEMORY_BYTES_MIN = 2 ** 20

/** `costs`: of the exits of a VM; not given: modern. */
export function makeBootMachine(flags: BootFlags, plan: BootPlan, costs?: CostTable): BootMachine {
  const { mode } = plan
  const { cpus, memory: memoryBytes } = flags
  if (cpus > CPUS_MAX) throw refuse("--cpus", `${cpus} vCPUs are too many`, `give 1 to ${CPUS_MAX}`)
  if (memoryBytes % PAGE_BYTES !== 0 || memoryBytes < MEMORY_BYTES_MIN)
    throw refuse("--memory", `${memoryBytes} bytes cannot be`, "give whole pages of 4K, at least 1M")
  const machineBytes = mode === "native" ? memoryBytes : machineBytesFor({ memoryBytes, vcpus: cpus, ...mmuOf(plan) })
  if (machineBytes > MEMORY_BYTES_MAX) throw refuse("--memory", `the machine would need ${machineBytes} bytes`, "give less: 2G is possible")
  const image = readGuest(flags.kernel, memoryBytes, "--kernel")
  const { options, disk } = devicesOf(flags)
  if (!leavesRoomForDeviceTree(image, { ...options, memoryBytes, cpus })) {
    const what = options.initialRamDisk === undefined ? "the device tree" : "the device tree and the RAM disk"
    throw refuse("--memory", `the image leaves no room for ${what} at the end of RAM`, "give more")
  }
  const timedPlan = timedPlanOf(flags, { mode })
  const shape = { memoryBytes: machineBytes, cpus }
  const timed = timedPlan === null ? null : timedEngineFor(shape, timedPlan)
  const engine = timed ?? new WasmEngine(shape)
  const timing = (exits: () => ReadonlyMap<string, number>): BootMachine["timing"] =>
    timed === null || timedPlan === null ? null : () => timingReport(timed, timedPlan, { mode, exits: exits() })
  // In a timed run the CPUs go by their clocks.
  const givesWay = flags.polling !== "run" && cpus > 1 && timed === null
  if (mode === "native") {
    const turns = timed !== null && cpus > 1 ? { order: virtualTimeOrder(timed.timing) } : {}
    const board = new Board(engine, image, {
      ...options,
      ...turns,
      ...(givesWay && { idleRounds: "give-way" }),
      softwareTlb: plan.mmu === "softtlb",
    })
    const exits = (): ReadonlyMap<string, number> => board.exits()
    return { ...facade(board), state: () => architectureOfBoard(board), virtual: null, exits, disk, timing: timing(exits) }
  }
  const vmm = new Vmm(engine)
  const priced = { ...options, ...(costs !== undefined && { costs }) }
  const vm = vmm.create({ image, vcpus: cpus, memoryBytes, mode, ...mmuOf(plan), ...(givesWay && { idleLoops: "give-way" }), ...priced })
  if (vm === null) throw refuse("--memory", "the VM does not fit", "give less")
  const { ledger, systemCalls, tlbMisses, para } = vm
  const exits = (): ReadonlyMap<string, number> => ledger.exits()
  return {
    ...facade(vm),
    state: () => architectureOfVm(vm, vmm.machineSwitch),
    virtual: { ledger, systemCalls, tlbMisses, para },
    exits,
    disk,
    timing: timing(exits),
  }
}

function mmuOf({ mmu }: BootPlan): Pick<VmOptions, "mmu" | "secondLevelTlb"> {
  if (mmu === "softtlb,l2") return { mmu: "softtlb", secondLevelTlb: true }
  return mmu === "walk" ? {} : { mmu }
}

function facade(machine: Pick<BootMachine, "run" | "instructions" | "console">): Pick<BootMachine, "run" | "instructions" | "console"> {
  return {
    run: (budget) => machine.run(budget),
    instructions: () => machine.instructions(),
    console: machine.console,
  }
}
