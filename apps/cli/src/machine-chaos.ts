/**
 * `backplane chaos machine`: a stack of its own, on it a machine with jobs that are RV64 guests and a virtual machine on a disk in the store. Its
 * processes are hurt one after another; then everything heals, and what the machine's users were told is held against what is there.
 *
 * The oracle of the jobs is the same machine in the simulator, undisturbed: a guest ends in one state, whoever was killed under it.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Random } from "@backplane/foundation-base/random"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { MEMORY_CONTROLLER } from "@backplane/scenario-machine/topology"
import { guestFileReader } from "@backplane/trap-guest/guest-files"
import type { RunResult } from "@backplane/trap-hypervisor/run-result"
import { ROOT, runProgram } from "./checkout.ts"
import { CommandFailure } from "./failure.ts"
import { bringImage } from "./image-upload.ts"
import { withStack } from "./live-stack.ts"
import { ShellWriter } from "./machine-chaos-writer.ts"
import { MachineNemesis, type Hurt, type MachineFault } from "./machine-chaos-nemesis.ts"
import { runInSimulator, unwrap, waitForEnd, withMachine } from "./machine-run.ts"
import type { StackClient } from "./stack-client.ts"
import { VmClient } from "./vm-client.ts"
import { vmSpecOf } from "./vm-flags.ts"

const GUEST = "writer"
const DISK = "chaos"
const DISK_BYTES = 2 * 2 ** 20
const VM_MEMORY_BYTES = 8 * 2 ** 20
const KERNEL = join(ROOT, "tools/guests/images/kernel.bin")
const IMAGES = join(ROOT, "tools/guests/images")
/** Guests as jobs: each of some hundred ticks, of 10 ms. */
const PROGRAMS = ["bench-short", "paging", "selfmod", "atomic"] as const
const TICKS_PER_SECOND = 100
const TICKS_BETWEEN = 60
const TRAVELLING_INSTRUCTIONS = { "bench-short": 20_000, paging: 200, selfmod: 2_000, atomic: 200 } as const
/** A node that is silent for so long has lost what lay on it. */
const LOSS_MILLISECONDS = 2_000
const JOBS_MAX = 400

export interface MachineChaosOptions {
  readonly seed: number
  readonly seconds: number
  readonly faults: readonly MachineFault[]
  readonly only: readonly string[]
  readonly say: (line: string) => void
}

export interface MachineChaosReport {
  readonly seed: number
  readonly seconds: number
  readonly kills: number
  readonly pauses: number
  readonly partitions: number
  /** By process: how often it was hurt. */
  readonly hurt: Readonly<Record<string, number>>
  readonly jobs: number
  readonly restarts: number
  readonly migrations: number
  readonly saves: number
  readonly boots: number
  /** What is not as it was told: empty where all is well. */
  readonly findings: readonly string[]
}

/** Of a stack of its own: whatever runs beside it is not hurt. */
export async function runMachineChaos(options: MachineChaosOptions): Promise<MachineChaosReport> {
  const home = mkdtempSync(join(tmpdir(), "backplane-chaos-"))
  try {
    return await withStack(home, (client) => hurtAndJudge(client, options))
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

async function hurtAndJudge(client: StackClient, options: MachineChaosOptions): Promise<MachineChaosReport> {
  const { seed, seconds, faults, only, say } = options
  const { home } = client.state
  const nemesis = new MachineNemesis(client, { random: new Random(`${seed}/machine-chaos`), faults, only, say })
  nemesis.victims()
  const spec = machineOf(options)
  const expected = unwrap(await runInSimulator(spec))
  const flags = { cpus: 1, memory: VM_MEMORY_BYTES, mode: "trap", trapPath: "resident", restartable: true } as const
  const guest = vmSpecOf(GUEST, flags, {
    kernel: await bringImage(client, { path: KERNEL, flag: "--kernel" }, home),
    disk: { volume: DISK },
  })
  await command(home, ["disk", "create", DISK, "--size", String(DISK_BYTES)])
  const began = Date.now()
  return withMachine(client, { ...spec, vms: [guest] }, async (machine) => {
    const vms = new VmClient(client, machine)
    const writer = new ShellWriter(vms, GUEST)
    const writing = writer.run()
    await Promise.race([nemesis.torment(seconds * 1000), writing])
    await nemesis.healed()
    say("every process is back; the guest's files are looked at")
    writer.stop()
    await writing
    const lost = await writer.lost()
    const boots = (await vms.find(GUEST))?.life ?? 0
    say("the guest is powered off, the last jobs end")
    await writer.halt()
    const result = unwrap(await waitForEnd(client, machine))
    const findings = [...lost, ...(await judged({ client, machine, result, expected, hurts: nemesis.hurts }))]
    return {
      ...{ seed, seconds: Math.round((Date.now() - began) / 100) / 10, ...countsOf(nemesis.hurts) },
      ...{ jobs: spec.jobs.length, restarts: result.restarts, migrations: result.migrations },
      ...{ saves: writer.acknowledged, boots, findings },
    }
  })
}

/** Jobs that come all the time that it is hurt; each may be begun again. */
function machineOf({ seed, seconds }: MachineChaosOptions): MachineSpec {
  const random = new Random(`${seed}/machine`)
  const count = Math.min(JOBS_MAX, Math.max(4, Math.floor((seconds * TICKS_PER_SECOND) / TICKS_BETWEEN)))
  const jobs = Array.from({ length: count }, (_, index) => {
    const program = random.pick(PROGRAMS)
    const guest = { file: `${program}.elf`, instructionsPerTick: TRAVELLING_INSTRUCTIONS[program] }
    return { name: `${program}-${index}`, guest, restartable: true, arrival: index * TICKS_BETWEEN }
  })
  const readGuest = guestFileReader((file) => readFileSync(join(IMAGES, file)), { readImage: readGuestImage })
  const input = {
    name: "chaos",
    seed,
    topology: { nodes: 2, cpus: 4, framesPerNode: 16_384 },
    schedule: { policy: "mqms-steal", sliceTicks: 10, peekTicks: 20 },
    clock: { mode: "free", tickCycles: 1_000_000, latencyCycles: 50_000, cyclesPerSecond: 100_000_000 },
    jobs,
  }
  return resolveMachineSpec(input, readGuest)
}

interface Judged {
  readonly client: StackClient
  readonly machine: string
  readonly result: RunResult
  readonly expected: RunResult
  readonly hurts: readonly Hurt[]
}

async function judged({ client, machine, result, expected, hurts }: Judged): Promise<readonly string[]> {
  const leases = leasesOf(await client.inspect(machine, MEMORY_CONTROLLER).catch(() => null))
  return [
    ...guestsApart(result, expected),
    ...result.lost.map((job) => `${job} was lost, though it may be begun again`),
    ...(result.restarts > 0 && !mayLose(hurts) ? [`${result.restarts} jobs were begun again, and no node was away for long`] : []),
    ...(leases.length > 0 ? [`frames are still leased after the end: ${leases.join(", ")}`] : []),
    ...(await storeApart(client.state.home)),
  ]
}

/** Jobs that did not end as they do undisturbed. */
export function guestsApart({ guests: ended = {}, jobs }: RunResult, { guests = {} }: RunResult): readonly string[] {
  return Object.entries(guests).flatMap(([job, { exit, state }]) => {
    const its = ended[job]
    if (its === undefined || jobs[job] === null) return [`${job} has not ended`]
    const isSame = its.exit === exit && its.state === state
    return isSame ? [] : [`${job} ended with exit ${its.exit} in state ${its.state}; undisturbed: exit ${exit}, state ${state}`]
  })
}

/** A node, or all messages of it, may have been away for long enough that it counts as lost. */
export function mayLose(hurts: readonly Hurt[]): boolean {
  return hurts.some(
    ({ process, fault, at, until }) =>
      process.startsWith("nats-server") || (process.startsWith("numa-node") && (fault === "kill" || until - at >= LOSS_MILLISECONDS)),
  )
}

function leasesOf(state: unknown): readonly string[] {
  const { leases } = (state ?? {}) as { readonly leases?: readonly { readonly owner?: string }[] | Readonly<Record<string, unknown>> }
  if (leases === undefined) return []
  return Array.isArray(leases) ? leases.map((lease: { readonly owner?: string }) => lease.owner ?? "?") : Object.keys(leases)
}

async function storeApart(home: string): Promise<readonly string[]> {
  const { code, stdout } = await runProgram("apps/cli/src/main.ts", ["--home", home, "kv", "repair", "--json"])
  return code === 0 ? [] : [`the store's replicas do not become equal: ${stdout.trim()}`]
}

async function command(home: string, args: readonly string[]): Promise<void> {
  const { code, stdout } = await runProgram("apps/cli/src/main.ts", ["--home", home, ...args])
  if (code !== 0) throw new CommandFailure("failure", `backplane ${args.join(" ")} failed: ${stdout}`)
}

function countsOf(hurts: readonly Hurt[]): Pick<MachineChaosReport, "kills" | "pauses" | "partitions" | "hurt"> {
  const of = (fault: MachineFault): number => hurts.filter((hurt) => hurt.fault === fault).length
  const hurt: Record<string, number> = {}
  for (const { process } of hurts) hurt[process] = (hurt[process] ?? 0) + 1
  return { kills: of("kill"), pauses: of("pause"), partitions: of("partition"), hurt }
}
