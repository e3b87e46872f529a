/**
 * `backplane boot --nodes M`: one guest with its harts on several nodes in one coherent memory, without a VMM. In simulation, or with `--live` over
 * a nats-server of its own with every node and the memory controller a process. `backplane check guest` is the same machine, with kills.
 */
import { VOLUME_PREFIX } from "@backplane/scenario-machine/vm-spec"
import { passThrough, runProgram } from "./checkout.ts"
import { planOf, refuse, typedFirst, type BootFlags, type BootStep } from "./boot-flags.ts"
import { CommandFailure } from "./failure.ts"
import { readFile } from "./guest-file.ts"

/** As `timeout(1)` says it. */
const EXIT_LIMIT = 124
const BYTE_MAX = 255
const CYCLES_PER_SECOND = 1_000_000_000
const CYCLES_MAX = 100_000_000_000
const SEED = 1
const PROGRAM = "apps/simulator/src/main.ts"
const WITH_SERVER = "tools/stack/src/with-nats-server.ts"

/** What of a guest on one node has no place here, by flag. */
const NOT_BUILT = ["append", "initrd", "saveDisk", "virtioConsole", "virtioRng", "irqAffinity", "maxInstructions", "speed"] as const

/** What the program answers with `json`; more of it is of no interest here. */
interface Answer {
  readonly done: boolean
  readonly waitsFor: string | null
  readonly end: { readonly reason: string; readonly code: number } | null
  readonly output: string
  /** Live: of node 0. */
  readonly instructions: number | readonly number[]
}

export interface NodesBootReport {
  readonly ok: boolean
  readonly exit: number
  readonly reason: string
  readonly message?: string
  readonly bus: "nats" | "sim"
  readonly mode: "native"
  readonly cpus: number
  readonly nodes: number
  /** Retired by all harts; live: by those of node 0. */
  readonly instructions: number
  readonly seconds: number
  /** Without a VMM nothing exits. */
  readonly exits: Readonly<Record<string, number>>
  readonly transcript: string
}

/** Is this for more than one node, and no timed run, whose nodes are an account of memory? */
export function isOverNodes({ nodes, fidelity }: BootFlags): boolean {
  return nodes !== undefined && nodes !== "1" && fidelity !== "timed"
}

/** Of a guest over several nodes, under a VMM or not: how many. */
export function nodesOf(flags: Pick<BootFlags, "nodes" | "cpus">): number {
  const nodes = Number(flags.nodes ?? "1")
  if (!Number.isSafeInteger(nodes) || nodes < 1) throw refuse("--nodes", `${flags.nodes} is no count`, "give a number from 1")
  if (nodes > flags.cpus)
    throw refuse("--nodes", `${nodes} nodes have no hart each with --cpus ${flags.cpus}`, `give --cpus ${nodes} or more`)
  return nodes
}

/** Refuses by flag what is not built over several nodes without a VMM. */
export function checkOverNodes(flags: BootFlags): number {
  const nodes = nodesOf(flags)
  if (flags.sim === true && flags.live === true) throw refuse("--live", "--sim and --live exclude each other", "give one")
  planOf({ ...flags, nodes: "1" })
  if (flags.mmu !== undefined && flags.mmu !== "walk") throw refuse("--mmu", `${flags.mmu} is not built over several nodes`, "leave it out")
  if (flags.disk?.startsWith(VOLUME_PREFIX) === true)
    throw refuse("--disk", "a disk in the store is not built for a guest over several nodes", "give a file, or leave --nodes out")
  for (const name of NOT_BUILT) {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    if (flags[name] !== undefined) throw refuse(flag, "not built for a guest over several nodes", "leave it out, or boot without --nodes")
  }
  return nodes
}

export async function bootOverNodes(flags: BootFlags, steps: readonly BootStep[]): Promise<number> {
  const nodes = checkOverNodes(flags)
  readFile(flags.kernel, "--kernel")
  const { kernel, disk, cpus, memory: memoryBytes, timeout } = flags
  const live = flags.live === true
  const request = {
    ...{ kernel, disk, cpus, nodes, memoryBytes, live, seed: SEED, steps: [...typedFirst(flags), ...steps], json: flags.json === true },
    cyclesMax: live && timeout !== undefined ? timeout * CYCLES_PER_SECOND : CYCLES_MAX,
    ...(!live && timeout !== undefined && { secondsMax: timeout }),
  }
  const args = ["shared-guest", JSON.stringify(request)]
  const [program, ...rest] = live ? ([WITH_SERVER, PROGRAM, ...args] as const) : ([PROGRAM, ...args] as const)
  if (flags.json !== true) return passThrough(program, rest)
  const started = performance.now()
  const { stdout } = await runProgram(program, rest)
  if (stdout.trim() === "") throw new CommandFailure("failure", "the guest's machine failed; see above")
  const report = reportOf(JSON.parse(stdout) as Answer, {
    ...{ nodes, cpus, steps: request.steps.length },
    bus: live ? "nats" : "sim",
    started,
  })
  console.log(JSON.stringify(report))
  return Math.min(report.exit, BYTE_MAX)
}

interface Ran {
  readonly nodes: number
  readonly cpus: number
  readonly steps: number
  readonly bus: NodesBootReport["bus"]
  readonly started: number
}

function reportOf({ done, waitsFor, end, output, instructions }: Answer, { steps, started, ...where }: Ran): NodesBootReport {
  return {
    ...outcome({ done, waitsFor, end, steps }),
    ...{ ...where, mode: "native", exits: {}, transcript: output },
    instructions: typeof instructions === "number" ? instructions : instructions.reduce((sum, each) => sum + each, 0),
    seconds: Math.round(performance.now() - started) / 1000,
  }
}

function outcome({ done, waitsFor, end, steps }: Pick<Answer, "done" | "waitsFor" | "end"> & { readonly steps: number }) {
  if (done && steps > 0) return { ok: true, exit: 0, reason: "steps-done" }
  const message = waitsFor === null ? {} : { message: `still waiting for ${JSON.stringify(waitsFor)}` }
  if (end === null) return { ok: false, exit: EXIT_LIMIT, reason: "timeout", ...message }
  return { ok: end.code === 0 && waitsFor === null, exit: end.code, reason: end.reason, ...message }
}
