/**
 * The device tree of the board: what a kernel is told about its machine. Node names and bindings as QEMU's `virt`.
 *
 * Not here: where the finished tree is put in memory (the board). Devicetree Specification 0.4; Linux `Documentation/devicetree`.
 */
import {
  CLINT,
  FINISHER,
  PLIC,
  RAM_BASE,
  UART,
  UART_INTERRUPT,
  virtioInterrupt,
  virtioPlace,
  VIRTIO_SLOTS,
  type Place,
} from "../address-map/virt-map.ts"
import { PLIC_SOURCES } from "../plic/plic.ts"
import { cells, flag, flatten, text, wide, type TreeNode, type TreeProperty } from "./flattened.ts"

export const ISA = "rv64imac_zicsr_zifencei_zba_zbb_zbs_sstc"
export const TIMEBASE_HZ = 10_000_000
const UART_CLOCK_HZ = 3_686_400

/** Interrupt numbers at a hart's own controller: the cause codes. */
const LOCAL = { machineSoftware: 3, machineTimer: 7, supervisorExternal: 9, machineExternal: 11 } as const

export interface VirtTreeOptions {
  readonly harts: number
  readonly memoryBytes: bigint
  readonly bootArguments?: string
  /** What the machine runs under, if it may know: the `compatible` of a node /hypervisor. */
  readonly hypervisor?: string
  /** Physical range of an initial RAM disk, `to` exclusive. */
  readonly initialRamDisk?: { readonly from: bigint; readonly to: bigint }
}

/** Handles by which nodes name each other; each hart has two. */
const PLIC_HANDLE = 1
const FINISHER_HANDLE = 2
const hartHandle = (hart: number): number => 3 + 2 * hart
const localHandle = (hart: number): number => 4 + 2 * hart

export function virtDeviceTree(options: VirtTreeOptions): Uint8Array {
  return flatten(root(options))
}

function root(options: VirtTreeOptions): TreeNode {
  return {
    name: "",
    properties: [...wideCells(), text("compatible", "riscv-virtio"), text("model", "backplane,virt")],
    children: [chosen(options), memory(options), processors(options.harts), soc(options.harts), ...power(), ...hypervisor(options)],
  }
}

function wideCells(): TreeProperty[] {
  return [cells("#address-cells", 2), cells("#size-cells", 2)]
}

function at(name: string, place: Place, properties: readonly TreeProperty[]): TreeNode {
  return {
    name: `${name}@${place.base.toString(16)}`,
    properties: [wide("reg", place.base, BigInt(place.bytes)), ...properties],
    children: [],
  }
}

function chosen({ bootArguments, initialRamDisk }: VirtTreeOptions): TreeNode {
  const disk =
    initialRamDisk === undefined ? [] : [wide("linux,initrd-start", initialRamDisk.from), wide("linux,initrd-end", initialRamDisk.to)]
  return {
    name: "chosen",
    properties: [
      text("stdout-path", `/soc/serial@${UART.base.toString(16)}`),
      ...(bootArguments === undefined ? [] : [text("bootargs", bootArguments)]),
      ...disk,
    ],
    children: [],
  }
}

function memory({ memoryBytes }: VirtTreeOptions): TreeNode {
  return {
    name: `memory@${RAM_BASE.toString(16)}`,
    properties: [text("device_type", "memory"), wide("reg", RAM_BASE, memoryBytes)],
    children: [],
  }
}

function processors(harts: number): TreeNode {
  return {
    name: "cpus",
    properties: [cells("#address-cells", 1), cells("#size-cells", 0), cells("timebase-frequency", TIMEBASE_HZ)],
    children: Array.from({ length: harts }, (_, hart) => processor(hart)),
  }
}

function processor(hart: number): TreeNode {
  const controller: TreeNode = {
    name: "interrupt-controller",
    properties: [
      cells("#interrupt-cells", 1),
      flag("interrupt-controller"),
      text("compatible", "riscv,cpu-intc"),
      cells("phandle", localHandle(hart)),
    ],
    children: [],
  }
  return {
    name: `cpu@${hart.toString(16)}`,
    properties: [
      cells("phandle", hartHandle(hart)),
      text("device_type", "cpu"),
      cells("reg", hart),
      text("status", "okay"),
      text("compatible", "riscv"),
      text("riscv,isa", ISA),
      text("mmu-type", "riscv,sv39"),
    ],
    children: [controller],
  }
}

function soc(harts: number): TreeNode {
  return {
    name: "soc",
    properties: [...wideCells(), text("compatible", "simple-bus"), flag("ranges")],
    children: [
      at("test", FINISHER, [cells("phandle", FINISHER_HANDLE), text("compatible", "sifive,test1", "sifive,test0", "syscon")]),
      at("clint", CLINT, [
        text("compatible", "sifive,clint0", "riscv,clint0"),
        cells("interrupts-extended", ...wired(harts, [LOCAL.machineSoftware, LOCAL.machineTimer])),
      ]),
      at("plic", PLIC, [
        text("compatible", "sifive,plic-1.0.0", "riscv,plic0"),
        cells("phandle", PLIC_HANDLE),
        cells("#interrupt-cells", 1),
        cells("#address-cells", 0),
        flag("interrupt-controller"),
        cells("riscv,ndev", PLIC_SOURCES - 1),
        // The order is the order of contexts: M then S of each hart.
        cells("interrupts-extended", ...wired(harts, [LOCAL.machineExternal, LOCAL.supervisorExternal])),
      ]),
      at("serial", UART, [
        text("compatible", "ns16550a"),
        cells("clock-frequency", UART_CLOCK_HZ),
        cells("interrupts", UART_INTERRUPT),
        cells("interrupt-parent", PLIC_HANDLE),
      ]),
      ...Array.from({ length: VIRTIO_SLOTS }, (_, slot) =>
        at("virtio_mmio", virtioPlace(slot), [
          text("compatible", "virtio,mmio"),
          cells("interrupts", virtioInterrupt(slot)),
          cells("interrupt-parent", PLIC_HANDLE),
        ]),
      ),
    ],
  }
}

/** Pairs (controller of the hart, number there) for `interrupts-extended`. */
function wired(harts: number, numbers: readonly number[]): number[] {
  return Array.from({ length: harts }, (_, hart) => numbers.flatMap((number) => [localHandle(hart), number])).flat()
}

function hypervisor({ hypervisor: compatible }: VirtTreeOptions): TreeNode[] {
  return compatible === undefined ? [] : [{ name: "hypervisor", properties: [text("compatible", compatible)], children: [] }]
}

/** Without SBI a kernel ends the machine through the finisher: words 0x5555 and 0x7777. */
function power(): TreeNode[] {
  return [
    { name: "poweroff", word: 0x5555 },
    { name: "reboot", word: 0x7777 },
  ].map(({ name, word }) => ({
    name,
    properties: [text("compatible", `syscon-${name}`), cells("regmap", FINISHER_HANDLE), cells("offset", 0), cells("value", word)],
    children: [],
  }))
}
