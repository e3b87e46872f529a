/**
 * The architectural state of a guest as one text: its memory, registers and CSRs, whoever ran it. Equal guests, equal text, on the native
 * board as on any VMM. Not in it: where its pages lie, how it was cut into turns, devices.
 */
import { Fingerprint } from "@backplane/foundation-base/fingerprint"
import { Slot, slotsOf, type CsrFile } from "@backplane/trap-csr/csr-file"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { PAGE_BYTES, PAGE_SHIFT } from "./machine-frames.ts"
import type { Board } from "@backplane/trap-board/board"
import type { CpuState } from "@backplane/compute-contract/engine"
import type { MachineSwitch } from "./machine-switch.ts"
import type { Vm } from "./vm.ts"

const PRIMES = [0x0100_0193, 0x85eb_ca6b] as const
const BASIS = 0x811c_9dc5

export function architectureOfBoard(board: Board): string {
  const { engine } = board
  const fingerprint = new Fingerprint()
  for (const hart of board.harts) addHart(fingerprint, { cpu: engine.captureCpu(hart.index), file: hart.file })
  addMemory(fingerprint, { bytes: engine.options.memoryBytes, page: (address) => engine.readMemory(address, PAGE_BYTES) })
  return fingerprint.hex()
}

export function architectureOfVm(vm: Vm, machineSwitch: MachineSwitch): string {
  const fingerprint = new Fingerprint()
  for (const vcpu of vm.vcpus) addHart(fingerprint, { cpu: machineSwitch.state(vcpu), file: vcpu.file })
  const page = (address: bigint): Uint8Array | null =>
    vm.memory.isTouched(address >> PAGE_SHIFT) ? vm.memory.copyOf(Number((address - RAM_BASE) >> PAGE_SHIFT)) : null
  addMemory(fingerprint, { bytes: vm.memory.bytes, page })
  return fingerprint.hex()
}

function addHart(fingerprint: Fingerprint, { cpu, file }: { readonly cpu: CpuState; readonly file: CsrFile }): void {
  const hex = (value: bigint): string => value.toString(16)
  fingerprint.add(`${cpu.registers.map(hex).join(" ")} ${hex(cpu.pc)} ${hex(cpu.instret)}`)
  // The wires' levels are read when they are needed: what was read last is not the guest's.
  const slots = Array.from({ length: slotsOf(file) }, (_, slot) => (slot === Slot.lines ? "" : hex(file.get(slot))))
  fingerprint.add(slots.join(" "))
}

/** Pages of zeros are left out: whether one was ever touched is not the guest's. */
function addMemory(
  fingerprint: Fingerprint,
  { bytes, page }: { readonly bytes: number; readonly page: (address: bigint) => Uint8Array | null },
): void {
  for (let at = 0; at < bytes; at += PAGE_BYTES) {
    const hash = hashOf(page(RAM_BASE + BigInt(at)))
    if (hash !== null) fingerprint.add(`${at} ${hash}`)
  }
}

/** FNV-1a by words in two lanes; null for zeros. */
function hashOf(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  let low = BASIS
  let high = BASIS
  let any = 0
  for (const word of words) {
    any |= word
    low = Math.imul(low ^ word, PRIMES[0])
    high = Math.imul(high ^ word ^ (low >>> 15), PRIMES[1])
  }
  return any === 0 ? null : `${(high >>> 0).toString(16)}.${(low >>> 0).toString(16)}`
}
