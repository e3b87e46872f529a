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
import type { VmMode } from "./vm.ts"

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

const options = (run: string) => ({ bootArguments: `run=${run}`, disks: [new MemoryDisk(new Uint8Array(128 << 10))] })

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

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).replaceAll("\r\n", "\n")

function natively({ kernel, cpus, run }: Asked) {
  const board = new Board(new WasmEngine({ memoryBytes: MEMORY_BYTES, cpus }), imageOf(kernel), options(run))
  const stop = board.run(INSTRUCTIONS_MAX)
  const state = architectureOfBoard(board)
  return { stop, state, console: text(board.console.takeOutput()), instructions: board.instructions(), time: board.time() }
}

function virtually({ kernel, cpus, run }: Asked, mode: VmMode) {
  const vmm = new Vmm(new WasmEngine({ memoryBytes: machineBytesFor({ memoryBytes: MEMORY_BYTES, vcpus: cpus }), cpus }))
  const vm = vmm.create({ image: imageOf(kernel), vcpus: cpus, memoryBytes: MEMORY_BYTES, mode, ...options(run) })!
  const stop = vm.run(INSTRUCTIONS_MAX)
  expect(audit(vmm)).toEqual([])
  const state = architectureOfVm(vm, vmm.machineSwitch)
  return { stop, state, console: text(vm.console.takeOutput()), instructions: vm.instructions(), time: vm.time() }
}

describe("the teaching kernel", () => {
  const run = PROMISES.map(([command]) => command).join(";")
  const lines = PROMISES.map(([, line]) => line).join("\n")

  const cases: readonly (readonly [string, number, readonly VmMode[]])[] = [
    ["kernel", 1, ["trap", "assist"]],
    ["kernel", 2, ["trap", "assist"]],
    ["kernel", 4, ["assist"]],
    ["kernel-biglock", 2, ["trap"]],
    ["kernel-biglock", 4, []],
    ["kernel-firmware", 2, ["trap", "assist"]],
  ]
  for (const [kernel, cpus, modes] of cases) {
    it(`${kernel} on ${cpus} harts: each promise, and the same end in every mode`, { timeout: 300_000 }, () => {
      const native = natively({ kernel, cpus, run })
      const said = native.console.replaceAll(/ticks=\d+/g, "ticks=T")
      expect(said).toBe(`kernel: ${cpus} harts, 16 MiB, 256 sectors of disk\n${lines}\n`)
      // `cat none` fails, so the machine ends as one where a command failed.
      expect(native.stop).toEqual({ kind: "end", reason: kernel === "kernel-firmware" ? "finisher" : "shutdown", code: 1 })
      for (const mode of modes) expect({ mode, ...virtually({ kernel, cpus, run }, mode) }).toEqual({ mode, ...native })
    })
  }

  it("ends a program that does what no program may, and only that one", () => {
    const deeds = ["read", "write", "exec", "kernel", "illegal", "privileged", "null"]
    const { console, stop } = natively({ kernel: "kernel", cpus: 2, run: `${deeds.map((deed) => `bad ${deed}`).join(";")};true` })
    expect([...console.matchAll(/ends: cause (\d+)/g)].map(([, cause]) => cause)).toEqual(["13", "15", "12", "13", "2", "2", "15"])
    expect([console.includes("was allowed"), stop]).toEqual([false, { kind: "end", reason: "shutdown", code: 1 }])
  })
})
