/** What hangs on which wire: interrupts to the harts that they shall go to, console input to the device that the guest listens to. */
import { describe, expect, it } from "vitest"
import { FakeDriver, FakeMemory, BUFFERS } from "@backplane/trap-devices/suite/fake-driver"
import { PLIC, UART, UART_INTERRUPT, virtioPlace, VIRTIO_SLOTS } from "@backplane/trap-devices/address-map/virt-map"
import { supervisorContext } from "@backplane/trap-devices/plic/plic"
import { SEIP } from "@backplane/trap-csr/causes"
import { Console } from "./console.ts"
import { Wiring, type WiringOptions } from "./wiring.ts"

const HARTS = 2

function wire(options: Partial<WiringOptions> = {}) {
  const console = new Console()
  const memory = new FakeMemory()
  const wiring = new Wiring({ harts: HARTS, clock: () => 0n, console, memory, disks: [], ...options })
  const store = (offset: number, value: number): void => void wiring.map.store(PLIC.base + BigInt(offset), 4, BigInt(value))
  store(4 * UART_INTERRUPT, 1)
  for (let hart = 0; hart < HARTS; hart += 1) store(0x2000 + 0x80 * supervisorContext(hart), 1 << UART_INTERRUPT)
  wiring.map.store(UART.base + 1n, 1, 1n) // received data interrupts
  return { wiring, console, memory, listening: () => [0, 1].map((hart) => (wiring.lines(hart) & SEIP) !== 0n) }
}

/** The device of a slot, as a driver reaches it: through the address map. */
function slot({ wiring, memory }: ReturnType<typeof wire>, index: number, queue: number): FakeDriver {
  const at = (offset: number): bigint => virtioPlace(index).base + BigInt(offset)
  const device = {
    load: (offset: number, width: 1 | 2 | 4 | 8) => {
      const answer = wiring.map.load(at(offset), width)
      return answer.kind === "value" ? answer.value : 0n
    },
    store: (offset: number, width: 1 | 2 | 4 | 8, value: bigint) => void wiring.map.store(at(offset), width, value),
  }
  return new FakeDriver(device, memory, queue)
}

const typed = (text: string): Uint8Array => new TextEncoder().encode(text)

describe("wiring", () => {
  it("an interrupt goes to all harts that enabled it, or to those of its affinity", () => {
    for (const [interruptAffinity, expected] of [
      [new Map<number, number>(), [true, true]],
      [new Map([[UART_INTERRUPT, 0b10]]), [false, true]],
      [new Map([[UART_INTERRUPT, 0b01]]), [true, false]],
    ] as const) {
      const machine = wire({ interruptAffinity })
      machine.console.feed(typed("x"))
      machine.wiring.deliverInput({ uartUsed: true })
      expect(machine.listening()).toEqual(expected)
    }
  })

  it("input goes to the UART, if the guest has used it, and to the virtio-console from when its driver is ready", () => {
    const machine = wire({ virtio: { console: true } })
    machine.console.feed(typed("a"))
    machine.wiring.deliverInput({ uartUsed: false })
    expect(machine.console.waiting()).toHaveLength(1)
    machine.wiring.deliverInput({ uartUsed: true })
    expect(machine.console.waiting()).toHaveLength(0)
    const driver = slot(machine, VIRTIO_SLOTS - 2, 0)
    driver.start()
    driver.offer(0, [{ address: BUFFERS, bytes: 8, writable: true }])
    driver.notify()
    machine.console.feed(typed("bc"))
    machine.wiring.deliverInput({ uartUsed: true })
    expect([driver.used(0), [...machine.memory.read(BUFFERS, 2)!]]).toEqual([{ head: 0, written: 2 }, [0x62, 0x63]])
  })

  it("chance comes from the source that was given", () => {
    const machine = wire({ virtio: { entropy: (bytes) => new Uint8Array(bytes).fill(9) } })
    const driver = slot(machine, VIRTIO_SLOTS - 1, 0)
    driver.start()
    driver.offer(0, [{ address: BUFFERS, bytes: 3, writable: true }])
    driver.notify()
    expect([...machine.memory.read(BUFFERS, 4)!]).toEqual([9, 9, 9, 0])
  })
})
