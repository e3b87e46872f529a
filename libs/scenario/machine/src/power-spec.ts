/**
 * What CPUs draw: the speeds at which they may run (P-states), the depths in which they may idle (C-states), and the table by name.
 *
 * Source of the terms: ACPI specification, chapter 8, "Processor Configuration and Control". Watts are of one CPU; a deeper state draws
 * less and takes longer to leave. Frequency changes what is computed, not how long memory takes: see the node's `core-speed.ts`.
 */
import { Type, type Static } from "typebox"

/** Capacity of the fastest CPU at its fastest. */
export const CAPACITY_MAX = 1024

const Watts = Type.Number({ minimum: 0, maximum: 10_000, description: "power of one CPU" })

export const SpeedSpec = Type.Object(
  {
    capacity: Type.Integer({
      minimum: 1,
      maximum: CAPACITY_MAX,
      description: `work in a tick, of ${CAPACITY_MAX} for the fastest CPU at its fastest`,
    }),
    watts: Watts,
  },
  { additionalProperties: false },
)
export const IdleSpec = Type.Object(
  {
    watts: Watts,
    wakeTicks: Type.Integer({ minimum: 0, maximum: 1_000_000, description: "from the dispatch of a task to its first work" }),
  },
  { additionalProperties: false },
)
const closed = { additionalProperties: false } as const

export const PowerKind = Type.Object(
  {
    cpus: Type.Array(Type.Integer({ minimum: 0, maximum: 255 }), {
      maxItems: 256,
      description: "CPUs of this kind; empty: all that no other kind names",
    }),
    speeds: Type.Array(SpeedSpec, { minItems: 1, maxItems: 32, description: "fastest first; who decides nothing runs at the first" }),
    idle: Type.Array(IdleSpec, { minItems: 1, maxItems: 16, description: "shallowest first; who decides nothing idles in the first" }),
  },
  closed,
)
export type PowerKind = Static<typeof PowerKind>

export const PowerSpec = Type.Object({ kinds: Type.Array(PowerKind, { minItems: 1, maxItems: 16 }) }, closed)
export type PowerSpec = Static<typeof PowerSpec>

/** A CPU of a machine without a table: one speed, one depth, no cost known. */
const PLAIN: PowerKind = { cpus: [], speeds: [{ capacity: CAPACITY_MAX, watts: 0 }], idle: [{ watts: 0, wakeTicks: 0 }] }

/** The kind of a CPU. */
export function powerKindOf(power: PowerSpec | undefined, cpu: number): PowerKind {
  const kinds = power?.kinds ?? []
  return kinds.find(({ cpus }) => cpus.includes(cpu)) ?? kinds.find(({ cpus }) => cpus.length === 0) ?? PLAIN
}

/** What is wrong with the table of a machine with so many CPUs: field and remedy; or null. */
export function powerProblem({ kinds }: PowerSpec, cpus: number): { readonly field: string; readonly remedy: string } | null {
  const seen = new Set<number>()
  for (const [index, kind] of kinds.entries()) {
    const field = `power.kinds[${index}]`
    for (const cpu of kind.cpus) {
      if (cpu >= cpus) return { field: `${field}.cpus`, remedy: `there is no CPU ${cpu}; the CPUs are 0 to ${cpus - 1}` }
      if (seen.has(cpu)) return { field: `${field}.cpus`, remedy: `CPU ${cpu} is of two kinds; name it once` }
      seen.add(cpu)
    }
    if (!isFalling(kind.speeds.map(({ capacity }) => capacity)))
      return { field: `${field}.speeds`, remedy: "the fastest comes first; sort them by capacity, falling" }
    if (!isFalling(kind.idle.map(({ watts }) => watts)))
      return { field: `${field}.idle`, remedy: "the shallowest comes first; sort them by watts, falling" }
  }
  if (kinds.filter(({ cpus: named }) => named.length === 0).length > 1)
    return { field: "power.kinds", remedy: "one kind at most may leave its CPUs unnamed" }
  return null
}

function isFalling(values: readonly number[]): boolean {
  return values.every((value, index) => index === 0 || value < (values[index - 1] ?? 0))
}
