/** Which picks of an instant are to start all or none: those of one group whose tasks lie on the node of their CPUs, all on one. */
import type { TaskView } from "@backplane/schedule-contract/task-view"

export interface Pick {
  readonly cpu: number
  readonly task: TaskView
}

/**
 * A number for each pick of a group of two or more, from `first` on. A node answers only for what lies on it: where members lie on several
 * nodes, or have to be fetched, each starts by itself.
 */
export function groupNumbers(
  picks: readonly Pick[],
  options: { readonly groupOf: (task: string) => string | undefined; readonly nodeOf: (cpu: number) => number; readonly first: number },
): ReadonlyMap<Pick, number> {
  const groups = new Map<string, Pick[]>()
  for (const pick of picks) {
    const group = options.groupOf(pick.task.task)
    if (group === undefined) continue
    groups.set(group, [...(groups.get(group) ?? []), pick])
  }
  const numbers = new Map<Pick, number>()
  let next = options.first
  for (const members of groups.values()) {
    const nodes = new Set(members.flatMap(({ cpu, task }) => [options.nodeOf(cpu), task.node]))
    if (members.length < 2 || nodes.size > 1) continue
    for (const member of members) numbers.set(member, next)
    next++
  }
  return numbers
}
