/**
 * The ideal that shares are measured against: CPUs that serve all who want them at once, each by its weight, where it may run.
 *
 * Weighted max-min: rates grow together in proportion to weights until something is full (a task cannot use more than one CPU, and
 * tasks kept to some CPUs no more than those); what is full stays, the rest grows on. Source: Parekh and Gallager, "A Generalized
 * Processor Sharing Approach to Flow Control", 1993, for one server; Chandra and others, "Surplus Fair Scheduling", OSDI 2000, for the
 * cap at one CPU. Sets of CPUs: the same with the capacity of every union of them (a polymatroid).
 */

export interface FluidTask {
  readonly weight: number
  readonly affinity: readonly number[]
}

/** With more sets of CPUs than this at a time the unions are too many: then where tasks may run is left out of account. */
const MASKS_MAX = 10

interface Bound {
  readonly members: readonly number[]
  readonly capacity: number
}

/** CPUs due to each task at a moment, in the order of `tasks`; each between 0 and 1. */
export function fluidRates(tasks: readonly FluidTask[], cpus: number): readonly number[] {
  const rates = tasks.map(() => 0)
  const bounds = boundsOf(tasks, cpus)
  const growing = new Set(tasks.keys())
  while (growing.size > 0) {
    const steps = bounds.map(({ members, capacity }) => stepOf(members, capacity, { tasks, rates, growing }))
    const step = Math.min(...steps)
    for (const index of growing) rates[index] = (rates[index] ?? 0) + step * (tasks[index]?.weight ?? 0)
    for (const [index, { members }] of bounds.entries()) if (steps[index] === step) for (const member of members) growing.delete(member)
  }
  return rates
}

/** How much farther the growing members may go, per unit of weight; infinite where none grows. */
function stepOf(
  members: readonly number[],
  capacity: number,
  at: { readonly tasks: readonly FluidTask[]; readonly rates: readonly number[]; readonly growing: ReadonlySet<number> },
): number {
  const used = members.reduce((sum, member) => sum + (at.rates[member] ?? 0), 0)
  const weight = members.reduce((sum, member) => sum + (at.growing.has(member) ? (at.tasks[member]?.weight ?? 0) : 0), 0)
  return weight === 0 ? Infinity : Math.max(0, capacity - used) / weight
}

function boundsOf(tasks: readonly FluidTask[], cpus: number): readonly Bound[] {
  const single = tasks.map((_, index): Bound => ({ members: [index], capacity: 1 }))
  const all: Bound = { members: [...tasks.keys()], capacity: cpus }
  const masks = new Map<string, { readonly cpus: readonly number[]; readonly members: number[] }>()
  for (const [index, { affinity }] of tasks.entries()) {
    if (affinity.length === 0) continue
    const key = [...affinity].sort((a, b) => a - b).join()
    const mask = masks.get(key) ?? { cpus: affinity, members: [] }
    mask.members.push(index)
    masks.set(key, mask)
  }
  return [...single, all, ...(masks.size <= MASKS_MAX ? unionsOf([...masks.values()]) : [])]
}

function unionsOf(masks: readonly { readonly cpus: readonly number[]; readonly members: readonly number[] }[]): readonly Bound[] {
  return Array.from({ length: (1 << masks.length) - 1 }, (_, index) => {
    const chosen = masks.filter((_mask, bit) => ((index + 1) & (1 << bit)) !== 0)
    return { members: chosen.flatMap(({ members }) => members), capacity: new Set(chosen.flatMap((mask) => mask.cpus)).size }
  })
}
