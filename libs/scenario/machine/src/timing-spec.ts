/**
 * What things cost in virtual time: caches, TLB, memory near and far, and the events of an operating system and a VMM.
 *
 * Data only. On-chip costs are cycles of the CPU, memory is nanoseconds as it is published; `memory/timing` turns both into cycles.
 * One instruction is one cycle; everything here comes on top of it.
 */
import { Type, type Static } from "typebox"

export const FIDELITIES = ["functional", "timed"] as const
export type Fidelity = (typeof FIDELITIES)[number]
export const TIMING_PRESETS = ["modern", "disco1997"] as const
export type TimingPreset = (typeof TIMING_PRESETS)[number]

const Whole = (description: string, minimum: number, maximum: number): ReturnType<typeof Type.Integer> =>
  Type.Integer({ minimum, maximum, description })
const Cycles = (description: string): ReturnType<typeof Type.Integer> => Whole(description, 0, 10_000_000)
const Nanoseconds = (description: string): ReturnType<typeof Type.Integer> => Whole(description, 0, 1_000_000)
const closed = { additionalProperties: false } as const

/** An instruction and a data cache of each core. */
export const FirstLevelSpec = Type.Object(
  {
    bytes: Whole("of the instruction cache, and of the data cache, of each core", 1024, 262_144),
    ways: Whole("associativity; LRU", 1, 16),
  },
  closed,
)

/** One cache of each node, shared by its CPUs, with everything that their first level holds. */
export const SecondLevelSpec = Type.Object(
  {
    bytes: Whole("of each node; holds all that its first level holds", 4096, 33_554_432),
    ways: Whole("associativity; LRU", 1, 32),
    hitCycles: Cycles("a miss of the first level that hits here"),
  },
  closed,
)

export const TlbSpec = Type.Object(
  {
    entries: Whole("pages of 4096 bytes, of each core, replaced first in, first out", 4, 4096),
    ways: Whole("entries / ways is a power of two; as many as entries: fully associative", 1, 4096),
    missCycles: Cycles("refill, by hardware or software; translation off costs nothing"),
  },
  closed,
)

/** The bus that joins the first levels of a node: snooped by all, one transaction at a time. */
export const BusSpec = Type.Object(
  {
    transferCycles: Cycles("a line from one core's cache to another of the node; also an upgrade or an update"),
    occupancyCycles: Cycles("how long a transaction keeps the bus of its node from the next one"),
  },
  closed,
)

export const MemorySpec = Type.Object(
  {
    localNanoseconds: Nanoseconds("a miss of the second level that the node's own memory serves"),
    remoteNanoseconds: Nanoseconds("a miss that another node's memory serves"),
    remoteDirtyNanoseconds: Nanoseconds("a miss whose line a third node has: from home to owner to requester"),
    occupancyNanoseconds: Nanoseconds("how long an access keeps the memory of its node from the next one"),
  },
  closed,
)

/** What is not an instruction: charged by whoever does it (board, VMM, scheduler, page policies). */
export const EventCosts = Type.Object(
  {
    trap: Cycles("a trap of the machine itself, and the return from it"),
    exit: Cycles("from guest to VMM and back"),
    emulate: Cycles("one privileged instruction done by the VMM"),
    inject: Cycles("a trap or interrupt handed to the guest"),
    shadowFill: Cycles("one entry of a shadow tree or software TLB"),
    shadowFlush: Cycles("dropping shadow entries on sfence.vma"),
    device: Cycles("one access to an emulated device"),
    hypercall: Cycles("a call that the guest makes on purpose"),
    interrupt: Cycles("an interrupt sent to another CPU"),
    contextSwitch: Cycles("one task's state for another's on a CPU"),
    machineSwitch: Cycles("one VM's state for another's on a CPU"),
    pageFault: Cycles("first touch of a page that has a frame ready"),
    pageCopy: Cycles("4096 bytes to another frame, of whichever node"),
    shootdown: Cycles("of each CPU that has to forget a translation"),
  },
  closed,
)
export type EventCosts = Static<typeof EventCosts>

export const TimingSpec = Type.Object(
  {
    fidelity: Type.Enum([...FIDELITIES], {
      description: "functional: every instruction is one cycle; timed: caches, TLB and memory cost, too",
    }),
    preset: Type.Enum([...TIMING_PRESETS], { description: "where every cost comes from that is not given" }),
    clockMegahertz: Whole("cycles in a microsecond: makes nanoseconds of memory into cycles", 1, 100_000),
    threadsPerCore: Whole("CPUs that share issue, first level and TLB", 1, 2),
    protocol: Type.Enum(["invalidate", "update"], { description: "what a store does to copies in other cores of the node" }),
    placement: Type.Enum(["first-touch", "interleave", "local"], {
      description: "where a page lies: on the node that uses it first, page by page around, or all on node 0",
    }),
    firstLevel: FirstLevelSpec,
    secondLevel: SecondLevelSpec,
    tlb: TlbSpec,
    bus: BusSpec,
    memory: MemorySpec,
    events: EventCosts,
  },
  closed,
)
export type TimingSpec = Static<typeof TimingSpec>

/** What may be given: any part of any group. */
export const TimingInput = Type.Object(
  {
    ...Type.Partial(Type.Omit(TimingSpec, ["firstLevel", "secondLevel", "tlb", "bus", "memory", "events"])).properties,
    firstLevel: Type.Optional(Type.Partial(FirstLevelSpec, closed)),
    secondLevel: Type.Optional(Type.Partial(SecondLevelSpec, closed)),
    tlb: Type.Optional(Type.Partial(TlbSpec, closed)),
    bus: Type.Optional(Type.Partial(BusSpec, closed)),
    memory: Type.Optional(Type.Partial(MemorySpec, closed)),
    events: Type.Optional(Type.Partial(EventCosts, closed)),
  },
  closed,
)
export type TimingInput = Static<typeof TimingInput>
