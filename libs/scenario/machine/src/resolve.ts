/**
 * From what a user wrote to a whole `MachineSpec`: defaults, drawn jobs, and every check that needs more than one field.
 *
 * Throws a `Rejection` that names the field and the remedy. Nothing is guessed: an unknown field is refused.
 */
import { decodedBytes } from "@backplane/foundation-base/base64"
import { MersenneTwister } from "@backplane/foundation-base/mersenne-twister"
import { Type, type Static } from "typebox"
import { Compile } from "typebox/compile"
import {
  GUEST_DEFAULTS,
  GuestInput,
  IMAGES_LENGTH_MAX,
  PAGE_BYTES,
  SLICE_INSTRUCTIONS_MAX,
  type GuestFileReader,
  type GuestSpec,
} from "./guest-spec.ts"
import { powerProblem } from "./power-spec.ts"
import { spacesProblem } from "./space-spec.ts"
import { ActionSpec, ArrivalSpec, JobSpec, MachineSpec } from "./machine-spec.ts"
import { OSTEP_POLICIES, POLICY_LAYOUTS } from "./policy-layouts.ts"
import { phaseProblem, type PhaseSpec } from "./phase-spec.ts"
import { Rejection } from "./rejection.ts"
import { rejectionOf } from "./schema-error.ts"
import { cpusOfNode } from "./topology.ts"
import { checkTiming, resolveTiming } from "./timing-presets.ts"
import { TimingInput } from "./timing-spec.ts"
import { checkVms, resolveVm } from "./resolve-vms.ts"
import { VmInput, VMS_MAX, type ImageFileReader } from "./vm-spec.ts"

const JobInput = Type.Object(
  {
    name: JobSpec.properties.name,
    ...Type.Partial(Type.Omit(JobSpec, ["name", "guest"])).properties,
    guest: Type.Optional(GuestInput),
  },
  { additionalProperties: false },
)
type JobInput = Static<typeof JobInput>

/** `Type.Partial` forgets it: an unknown field is refused at every depth. */
const closed = { additionalProperties: false } as const

/** Jobs drawn from the seed, as the OSTEP programs draw them. */
const DrawSpec = Type.Object(
  {
    count: Type.Integer({ minimum: 1, maximum: 10_000 }),
    maxRun: Type.Integer({ minimum: 0, maximum: 1_000_000_000 }),
    maxWorkingSet: Type.Integer({ minimum: 0, maximum: 1_000_000_000 }),
    affinity: Type.Optional(Type.Record(Type.String(), Type.Array(Type.Integer({ minimum: 0 })), { description: "job → CPUs" })),
    restartable: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)

/** What a scenario file may hold. */
export const MachineInput = Type.Object(
  {
    name: Type.Optional(MachineSpec.properties.name),
    seed: Type.Optional(MachineSpec.properties.seed),
    topology: Type.Optional(Type.Partial(MachineSpec.properties.topology, closed)),
    cache: Type.Optional(Type.Partial(MachineSpec.properties.cache, closed)),
    schedule: Type.Optional(Type.Partial(Type.Omit(MachineSpec.properties.schedule, ["drawsBefore"]), closed)),
    clock: Type.Optional(Type.Partial(MachineSpec.properties.clock, closed)),
    timing: Type.Optional(TimingInput),
    jobs: Type.Optional(Type.Array(JobInput, { maxItems: 10_000 })),
    power: Type.Optional(MachineSpec.properties.power),
    memory: MachineSpec.properties.memory,
    draw: Type.Optional(DrawSpec),
    vms: Type.Optional(Type.Array(VmInput, { maxItems: VMS_MAX })),
    arrivals: Type.Optional(ArrivalSpec),
    actions: Type.Optional(Type.Array(ActionSpec, { maxItems: 1000 })),
    maxTicks: Type.Optional(MachineSpec.properties.maxTicks),
  },
  { additionalProperties: false },
)
export type MachineInput = Static<typeof MachineInput>

const checkInput = Compile(MachineInput)

/** Names under which others speak on the bus and keep what they have in the data folder: the control side, the key-value store, the bus. */
const TAKEN: ReadonlySet<string> = new Set(["ctl", "store", "jetstream"])

/** Outputs of the twister that one drawn job takes: two numbers of 53 bits. */
const DRAWS_PER_JOB = 4

/** Readers of the files that guests and VMs name; without one, a guest brings its image and a VM the hashes of its files. */
export function resolveMachineSpec(input: unknown, readGuest?: GuestFileReader, readImage?: ImageFileReader): MachineSpec {
  const wrong = checkInput.Errors(input)[0]
  if (wrong !== undefined) throw rejectionOf(wrong)
  const given = input as MachineInput
  if (given.name !== undefined && TAKEN.has(given.name))
    throw new Rejection("name", `a part of the stack has the name ${given.name} on the bus and on the disk; take another`)
  const seed = given.seed ?? 0
  const drawn = given.jobs === undefined && given.arrivals === undefined && given.vms === undefined ? drawJobs(seed, given.draw) : []
  const spec: MachineSpec = {
    name: given.name ?? "machine",
    seed,
    topology: { nodes: 1, cpus: 2, framesPerNode: 65_536, ...given.topology },
    cache: { size: 100, warmupTicks: 10, warmRate: 2, ...given.cache },
    schedule: {
      policy: "sqms",
      sliceTicks: 10,
      peekTicks: 30,
      randomOrder: false,
      compat: "none",
      ...given.schedule,
      drawsBefore: drawn.length * DRAWS_PER_JOB,
    },
    clock: { mode: "lock-step", tickCycles: 1_000_000, latencyCycles: 100, cyclesPerSecond: 100_000_000, ...given.clock },
    timing: resolveTiming(given.timing),
    ...(given.power === undefined ? {} : { power: given.power }),
    ...(given.memory === undefined ? {} : { memory: given.memory }),
    jobs: (given.jobs ?? drawn).map((job, index) => resolveJob(job, `jobs[${index}]`, readGuest)),
    ...(given.vms === undefined ? {} : { vms: given.vms.map((vm, index) => resolveVm(vm, `vms[${index}]`, readImage)) }),
    ...(given.arrivals === undefined ? {} : { arrivals: given.arrivals }),
    actions: [...(given.actions ?? [])].sort((a, b) => a.atTick - b.atTick),
    maxTicks: given.maxTicks ?? 1_000_000,
  }
  checkTogether(spec)
  return spec
}

function resolveJob({ guest, ...job }: JobInput, field: string, readGuest: GuestFileReader | undefined): JobSpec {
  const defaults = { affinity: [], restartable: false, arrival: 0 }
  if (guest !== undefined) {
    if (job.run !== undefined) throw new Rejection(`${field}.run`, "a guest runs until it ends by itself; leave run out")
    if (job.phases !== undefined) throw new Rejection(`${field}.phases`, "a guest sleeps and waits by itself; leave phases out")
    const resolved = resolveGuest(guest, `${field}.guest`, readGuest)
    return { ...defaults, run: 0, workingSet: imagePages(resolved), ...job, guest: resolved }
  }
  const { run, workingSet } = job
  if (run === undefined) throw new Rejection(`${field}.run`, "a job needs its work, in units; or give a guest")
  if (workingSet === undefined) throw new Rejection(`${field}.workingSet`, "a job needs the size of its working set")
  return { ...defaults, ...job, run, workingSet }
}

function resolveGuest({ file, ...given }: GuestInput, field: string, readGuest: GuestFileReader | undefined): GuestSpec {
  const guest = { ...GUEST_DEFAULTS, ...given }
  if (guest.image !== undefined && file === undefined) return guest
  if (guest.image !== undefined) throw new Rejection(`${field}.image`, "a guest has a file or an image; leave one out")
  if (file === undefined) throw new Rejection(`${field}.file`, "name the guest's ELF or Image file, relative to the scenario")
  if (readGuest === undefined) throw new Rejection(`${field}.file`, "files cannot be read here; give the image as base64")
  return { ...guest, image: readGuest({ file, memoryBytes: guest.memoryBytes }, `${field}.file`) }
}

/** The default working set of a guest: the pages of its image. */
function imagePages({ image = "" }: GuestSpec): number {
  return Math.ceil(decodedBytes(image) / PAGE_BYTES)
}

function drawJobs(seed: number, draw: Static<typeof DrawSpec> = { count: 3, maxRun: 100, maxWorkingSet: 200 }): JobInput[] {
  const twister = new MersenneTwister(seed)
  return Array.from({ length: draw.count }, (_, index) => {
    const run = Math.trunc((twister.unit() * draw.maxRun) / 10) * 10
    const workingSet = Math.trunc((twister.unit() * draw.maxWorkingSet) / 10) * 10
    const name = String(index)
    return { name, run, workingSet, affinity: draw.affinity?.[name] ?? [], restartable: draw.restartable ?? false }
  })
}

const checkSpec = Compile(MachineSpec)

/** A whole spec that came over the bus: checked, never completed. */
export function machineSpecOf(value: unknown): MachineSpec {
  const wrong = checkSpec.Errors(value)[0]
  if (wrong !== undefined) throw rejectionOf(wrong)
  const spec = value as MachineSpec
  checkTogether(spec)
  return spec
}

/** Jobs that arrive are called j0, j1 … */
const ARRIVAL_NAME = /^j\d+$/

/** The checks that look at several fields at once. */
function checkTogether(spec: MachineSpec): void {
  const { nodes, cpus } = spec.topology
  if (nodes > cpus) throw new Rejection("topology.nodes", `${nodes} nodes need at least as many CPUs, and there are ${cpus}`)
  const names = new Set<string>()
  for (const [index, job] of spec.jobs.entries()) {
    if (names.has(job.name)) throw new Rejection(`jobs[${index}].name`, `the job name ${job.name} is given twice; names are unique`)
    names.add(job.name)
    if (spec.arrivals !== undefined && ARRIVAL_NAME.test(job.name))
      throw new Rejection(`jobs[${index}].name`, `${job.name} is a name that arrivals give; take one that is not j and a number`)
    const unknown = job.preferred?.find((cpu) => cpu >= cpus)
    if (unknown !== undefined)
      throw new Rejection(`jobs[${index}].preferred`, `job ${job.name} names CPU ${unknown}, but the CPUs are 0 to ${cpus - 1}`)
    if (job.shares?.includes(job.name) === true)
      throw new Rejection(`jobs[${index}].shares`, `job ${job.name} names itself; name the jobs that it shares pages with`)
    const absent = job.affinity.find((cpu) => cpu >= cpus)
    if (absent !== undefined)
      throw new Rejection(`jobs[${index}].affinity`, `job ${job.name} names CPU ${absent}, but the CPUs are 0 to ${cpus - 1}`)
    checkPhases(job.phases ?? [], `jobs[${index}].phases`, spec)
  }
  const images = spec.jobs.reduce((sum, job) => sum + (job.guest?.image?.length ?? 0), 0)
  if (images > IMAGES_LENGTH_MAX)
    throw new Rejection(
      "jobs",
      `the images of all guests have ${images} characters of base64, and a machine takes ${IMAGES_LENGTH_MAX}; take fewer guests`,
    )
  checkTiming(spec.timing)
  if (spec.timing.fidelity === "timed")
    throw new Rejection(
      "timing.fidelity",
      "a machine of services runs functional, timed is not built for it; take functional here, and backplane boot --fidelity timed for one guest",
    )
  const spaces = spacesProblem(spec.memory?.spaces ?? [], nodes)
  if (spaces !== null) throw new Rejection(spaces.field, spaces.remedy)
  checkSlices(spec)
  checkVms(spec.vms ?? [], spec)
  checkMoves(spec)
  checkHardware(spec)
  const { arrivals, clock, schedule } = spec
  if (arrivals !== undefined && arrivals.run.least > arrivals.run.most) throw new Rejection("arrivals.run", "least is above most")
  if (arrivals !== undefined && arrivals.workingSet.least > arrivals.workingSet.most)
    throw new Rejection("arrivals.workingSet", "least is above most")
  // The steal token of `compat: ostep` visits every CPU (at most four messages each) within one tick, and so does set-up.
  // In free mode latency is what the wall makes it, and a round that takes longer than a tick only takes longer.
  const isExact = clock.mode === "lock-step" || schedule.compat === "ostep"
  const roundCycles = clock.latencyCycles * (4 * cpus + 40)
  if (isExact && roundCycles >= clock.tickCycles)
    throw new Rejection(
      "clock.latencyCycles",
      `with ${cpus} CPUs a tick must be longer than ${roundCycles} cycles; it is ${clock.tickCycles}`,
    )
  if (schedule.compat === "ostep" && spec.actions.length > 0)
    throw new Rejection("actions", "a policy swap is not part of the OSTEP model; leave out compat: ostep")
  const guest = schedule.compat === "ostep" ? spec.jobs.findIndex((job) => job.guest !== undefined) : -1
  if (guest >= 0) throw new Rejection(`jobs[${guest}].guest`, "the OSTEP model knows no guests; leave out compat: ostep")
  if (schedule.compat === "ostep" && !OSTEP_POLICIES.includes(schedule.policy))
    throw new Rejection(
      "schedule.policy",
      `${schedule.policy} is not part of the OSTEP model; take ${POLICY_LAYOUTS[schedule.policy] === "all" ? "sqms" : "mqms-steal"}, or leave out compat: ostep`,
    )
}

function checkMoves({ actions, topology, vms = [] }: MachineSpec): void {
  for (const [index, { vm }] of actions.entries()) {
    if (vm === undefined) continue
    if (vm.node >= topology.nodes)
      throw new Rejection(`actions[${index}].vm.node`, `there is no node ${vm.node}; the nodes are 0 to ${topology.nodes - 1}`)
    if (!vms.some(({ name }) => name === vm.name))
      throw new Rejection(`actions[${index}].vm.name`, `there is no VM ${vm.name}; name one of vms`)
  }
}

function checkPhases(phases: readonly PhaseSpec[], field: string, { schedule }: MachineSpec): void {
  if (phases.length > 0 && schedule.compat === "ostep")
    throw new Rejection(field, "jobs of the OSTEP model only run; leave out compat: ostep")
  for (const [index, phase] of phases.entries()) {
    const problem = phaseProblem(phase)
    if (problem !== null) throw new Rejection(`${field}[${index}]`, problem)
  }
}

/** Cores lie on one node whole, and the table of power fits the CPUs. */
function checkHardware({ topology, power, schedule }: MachineSpec): void {
  const { threadsPerCore = 1, nodes, cpus } = topology
  const bounds = Array.from({ length: nodes }, (_, node) => cpusOfNode(topology, node).to)
  const split = bounds.find((to) => to % threadsPerCore !== 0)
  if (split !== undefined)
    throw new Rejection(
      "topology.threadsPerCore",
      `${cpus} CPUs on ${nodes} nodes leave a core of ${threadsPerCore} in two parts; take a multiple of ${nodes * threadsPerCore} CPUs`,
    )
  const problem = power === undefined ? null : powerProblem(power, cpus)
  if (problem !== null) throw new Rejection(problem.field, problem.remedy)
  const isPlain = threadsPerCore === 1 && power === undefined && (topology.remotePercent ?? 100) === 100
  if (schedule.compat === "ostep" && !isPlain)
    throw new Rejection(
      "schedule.compat",
      "the OSTEP model knows no SMT, no power and no remote memory; leave out threadsPerCore, remotePercent and power, or compat: ostep",
    )
}

/** What the CPUs of a node may have to execute at one instant is bounded: nothing else happens there meanwhile. */
function checkSlices({ jobs, topology, schedule }: MachineSpec): void {
  const cpus = Math.ceil(topology.cpus / topology.nodes)
  for (const [index, { guest }] of jobs.entries()) {
    if (guest === undefined) continue
    const instructions = guest.instructionsPerTick * schedule.sliceTicks * cpus
    if (instructions > SLICE_INSTRUCTIONS_MAX)
      throw new Rejection(
        `jobs[${index}].guest.instructionsPerTick`,
        `${cpus} CPUs of a node would run ${instructions} instructions in a slice of ${schedule.sliceTicks} ticks, and ${SLICE_INSTRUCTIONS_MAX} are allowed; take less, or shorter slices`,
      )
  }
}
