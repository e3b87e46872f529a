/**
 * The whole description of one multiprocessor: what every actor of it is configured with.
 *
 * A scenario file (YAML or JSON) is a partial spec; `resolveMachineSpec` fills in the defaults and draws the jobs. Plain JSON,
 * so that it travels in a host request and prints in an error. Times of the workload are in ticks, of the clock in cycles.
 */
import { Type, type Static } from "typebox"
import { GuestSpec } from "./guest-spec.ts"
import { PowerSpec } from "./power-spec.ts"
import { PhaseSpec, PHASES_MAX } from "./phase-spec.ts"
import { SpaceSpec, SPACES_MAX } from "./space-spec.ts"
import { TimingSpec } from "./timing-spec.ts"
import { VmMemorySpec } from "./vm-memory-spec.ts"
import { VMS_MAX, VmSpec } from "./vm-spec.ts"

const Count = (description: string, minimum = 0, maximum = 1_000_000_000): ReturnType<typeof Type.Integer> =>
  Type.Integer({ minimum, maximum, description })

/** CPUs of a machine: bounded by the mask of a task and by the steal token, which must get round within one tick. */
export const CPUS_MAX = 256
/** Holders of a page are bits of a 31-bit mask (memory/coherence): the nodes, and the page store. */
export const NODES_MAX = 30
export const THREADS_PER_CORE_MAX = 8
export const JOBS_MAX = 10_000
export const MEMORY_CONTROLLERS_MAX = 8
export const TICKS_MAX = 100_000_000

export const JobSpec = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64, pattern: "^[A-Za-z0-9_-]+$", description: "unique in the machine" }),
    run: Count("work in units; one a tick cold, `warmRate` warm"),
    workingSet: Count("size of the working set, in the units of the cache"),
    affinity: Type.Array(Count("CPU", 0, CPUS_MAX - 1), { maxItems: CPUS_MAX, description: "CPUs that may run it; empty: any" }),
    weight: Type.Optional(Count("share that is due to it under policies that know weights; not given: 100", 1, 10_000)),
    preferred: Type.Optional(
      Type.Array(Count("CPU", 0, CPUS_MAX - 1), {
        maxItems: CPUS_MAX,
        description: "CPUs that had better run it, where the policy heeds advice; any may",
      }),
    ),
    shares: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
        maxItems: 16,
        description: "hint: jobs that it shares pages with, or talks to: they had better run near it, where the policy heeds advice",
      }),
    ),
    space: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        pattern: "^[A-Za-z0-9_-]+$",
        description: "address space (VM) that it shares with others",
      }),
    ),
    gang: Type.Optional(
      Type.Object(
        {
          name: Type.String({ minLength: 1, maxLength: 64, pattern: "^[A-Za-z0-9_-]+$" }),
          size: Count("members that had better run together or not at all", 1, CPUS_MAX),
        },
        { additionalProperties: false },
      ),
    ),
    stall: Type.Optional(Count("of 1000 cycles that it takes by itself, those in which it waits for memory; not given: 0", 0, 999)),
    restartable: Type.Boolean({ description: "started again from nothing when the node that held it is lost" }),
    arrival: Count("tick at which it is submitted; 0: before the first tick", 0, TICKS_MAX),
    phases: Type.Optional(
      Type.Array(PhaseSpec, {
        minItems: 1,
        maxItems: PHASES_MAX,
        description: "what it does besides running; repeated until the work is done",
      }),
    ),
    guest: Type.Optional(GuestSpec),
  },
  { additionalProperties: false },
)
export type JobSpec = Static<typeof JobSpec>

/** Jobs that keep coming: for a machine that is to stay busy. */
export const ArrivalSpec = Type.Object(
  {
    everyTicks: Count("mean gap between two arrivals", 1, 1_000_000),
    run: Type.Object({ least: Count("", 0), most: Count("", 0) }, { additionalProperties: false }),
    workingSet: Type.Object({ least: Count("", 0), most: Count("", 0) }, { additionalProperties: false }),
    liveMax: Count("no arrival while so many jobs are unfinished", 1, 1000),
    total: Count("jobs in all; 0: for ever", 0, 1_000_000),
  },
  { additionalProperties: false },
)
export type ArrivalSpec = Static<typeof ArrivalSpec>

export const POLICY_NAMES = [
  "sqms",
  "mqms",
  "mqms-steal",
  "mqms-warm",
  "sqms-affinity",
  "patient",
  "fifo",
  "rr",
  "o1",
  "cfs",
  "cfs-domains",
  "bfs",
  "eevdf",
  "mlfq",
  "lottery",
  "stride",
  "credit",
  "numa",
  "smt",
  "gang",
  "eas",
] as const
export type PolicyName = (typeof POLICY_NAMES)[number]

/** No policy: the nodes' built-in round robin. */
export const FALLBACK = "fallback"

/** Something done to the machine on purpose at a tick: part of the run, so the same in simulation and live. One of its kinds each. */
export const ActionSpec = Type.Object(
  {
    atTick: Count("when", 0, TICKS_MAX),
    swap: Type.Optional(
      Type.Enum([...POLICY_NAMES, FALLBACK], {
        description: "the policy that takes over; fallback: no scheduler does, the nodes go round by themselves",
      }),
    ),
    shadow: Type.Optional(
      Count("of a swap: slices for which the policy only shows what it would do before it takes over; not given: none", 1, 100_000),
    ),
    shadowOnly: Type.Optional(Type.Literal(true, { description: "of a swap with `shadow`: it does not take over afterwards" })),
    cpus: Type.Optional(
      Type.Array(Count("CPU", 0, CPUS_MAX - 1), {
        minItems: 1,
        maxItems: CPUS_MAX,
        description: "of a swap: the policy takes over these CPUs only, beside the one in force",
      }),
    ),
    cpu: Type.Optional(
      Type.Object(
        { index: Count("CPU", 0, CPUS_MAX - 1), online: Type.Boolean() },
        { additionalProperties: false, description: "the CPU goes off line, or comes back" },
      ),
    ),
    task: Type.Optional(
      Type.Object(
        {
          name: Type.String({ minLength: 1, maxLength: 64 }),
          affinity: Type.Optional(Type.Array(Count("CPU", 0, CPUS_MAX - 1), { maxItems: CPUS_MAX })),
          weight: Type.Optional(Count("", 1, 10_000)),
        },
        { additionalProperties: false, description: "the task gets another affinity, or weight" },
      ),
    ),
    vm: Type.Optional(
      Type.Object(
        { name: Type.String({ minLength: 1, maxLength: 32 }), node: Count("where it goes on", 0, NODES_MAX - 1) },
        { additionalProperties: false, description: "the virtual machine moves to another node" },
      ),
    ),
  },
  { additionalProperties: false },
)
export type ActionSpec = Static<typeof ActionSpec>

export const MachineSpec = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 32, pattern: "^[a-z0-9][a-z0-9-]*$", description: "names the machine on the bus" }),
    seed: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    topology: Type.Object(
      {
        nodes: Count("NUMA nodes", 1, NODES_MAX),
        cpus: Count("CPUs in all, spread over the nodes in contiguous blocks", 1, CPUS_MAX),
        framesPerNode: Count("machine frames of each node", 1),
        threadsPerCore: Type.Optional(
          Count("SMT: CPUs that share the pipes and the cache of a core, contiguous, on one node; not given: 1", 1, THREADS_PER_CORE_MAX),
        ),
        remotePercent: Type.Optional(
          Count(
            "how long a task waits for memory while it runs on another node than its frames, in percent of at home; not given: 100",
            100,
            10_000,
          ),
        ),
      },
      { additionalProperties: false },
    ),
    cache: Type.Object(
      {
        size: Count("capacity of each CPU's cache, in working-set units"),
        warmupTicks: Count("ticks a job runs on a CPU before its working set is in the cache"),
        warmRate: Count("work a tick does when the cache is warm; 1 when cold", 1, 1000),
      },
      { additionalProperties: false },
    ),
    schedule: Type.Object(
      {
        policy: Type.Enum([...POLICY_NAMES]),
        sliceTicks: Count("time slice; slices end at its multiples", 1, TICKS_MAX),
        peekTicks: Count("interval between two looks into other queues; 0: never", 0, TICKS_MAX),
        randomOrder: Type.Boolean({ description: "CPUs are filled in a fresh random order each tick" }),
        prefetch: Type.Optional(
          Type.Literal(true, {
            description:
              "schedulers choose what a CPU runs next while its slice lasts, so that no slice waits for a message; not under `compat: ostep`",
          }),
        ),
        compat: Type.Enum(["none", "ostep"], { description: "ostep: the chapter's model with its quirks and random draws" }),
        drawsBefore: Count("outputs of the Mersenne Twister spent on drawing the jobs (compat)"),
      },
      { additionalProperties: false },
    ),
    clock: Type.Object(
      {
        mode: Type.Enum(["lock-step", "free"], { description: "lock-step: the same as the simulation; free: paced by the wall clock" }),
        tickCycles: Count("cycles of one tick", 10_000),
        latencyCycles: Count("cycles a message takes where nothing is wrong", 1),
        cyclesPerSecond: Count("pace in free mode", 1, 100_000_000_000),
      },
      { additionalProperties: false },
    ),
    timing: TimingSpec,
    memory: Type.Optional(
      Type.Object(
        {
          swapPages: Count(
            "pages that the page stores keep: swap, pages that are equal to others, pages that guests gave back; 0: there are none",
            0,
            1_000_000,
          ),
          controllers: Type.Optional(
            Count("memory controllers, each home to a part of the shared pages and of the frames; not given: 1", 1, MEMORY_CONTROLLERS_MAX),
          ),
          vms: Type.Optional(VmMemorySpec),
          spaces: Type.Optional(
            Type.Array(SpaceSpec, { maxItems: SPACES_MAX, description: "rules for the pages of memories that several nodes use" }),
          ),
        },
        { additionalProperties: false },
      ),
    ),
    power: Type.Optional(PowerSpec),
    jobs: Type.Array(JobSpec, { maxItems: JOBS_MAX }),
    vms: Type.Optional(Type.Array(VmSpec, { maxItems: VMS_MAX })),
    arrivals: Type.Optional(ArrivalSpec),
    actions: Type.Array(ActionSpec, { maxItems: 1000 }),
    maxTicks: Count("a run that lasts longer is ended with an error", 1, TICKS_MAX),
  },
  { additionalProperties: false },
)
export type MachineSpec = Static<typeof MachineSpec>
