/** Virtual machines that boot our teaching kernel (tools/guests/kernel), run programs and power off; the runner reads the image. */
import { times, type Workload } from "./workload.ts"

const KERNEL = "kernel.bin"
const MEMORY_BYTES = 8 << 20
const CPUS = 4

export const vms: Workload = {
  name: "vms",
  question: "VMs that boot our teaching kernel, talk over pipes, compute or sleep, beside hogs: how soon are all off, who waits longest?",
  columns: ["makespan", "busy", "wait-most", "wake-p99", "migrations"],
  draw: (random) => ({
    topology: { cpus: CPUS, nodes: 1, framesPerNode: 16_384 },
    cache: { size: 100, warmupTicks: 0, warmRate: 1 },
    schedule: { sliceTicks: 5 },
    jobs: times(2, (index) => ({ name: `hog-${index}`, run: random.between(60, 120), workingSet: 0 })),
    vms: times(4, (index) => ({
      name: `vm-${index}`,
      kernel: KERNEL,
      append: `run=${random.pick(["pingpong 10", "primes 200", "syscalls 50; sleep 5"])}`,
      memoryBytes: MEMORY_BYTES,
      weight: random.pick([50, 100, 200]),
      instructionsPerTick: 20_000,
    })),
  }),
}
