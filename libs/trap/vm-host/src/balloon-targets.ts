/**
 * How many pages each VM that listens is asked to do without, when the frames of its node run short: pure.
 *
 * The guest knows best which of its pages it can spare, so it is asked first, and swap comes after (Waldspurger, "Memory resource management in VMware ESX Server", OSDI 2002, sections 3
 * and 6.3): below SOFT of all frames free each is asked for its part, by what it has, of what is missing to GOAL; above EASE they are given back what is too much. Between the two
 * everybody keeps what there is, or it would go to and fro. The levels are those of memory/placement's reclaim.ts, for spaces.
 */

const SOFT_PERCENT = 4
const GOAL_PERCENT = 6
const EASE_PERCENT = 8

export interface BalloonVm {
  /** Pages that have a frame, and pages that it has given back. */
  readonly resident: number
  readonly given: number
}

/** By VM, pages that are to be out in all; null: all stay as they were. */
export function balloonTargets(
  vms: readonly BalloonVm[],
  { free, frames }: { readonly free: number; readonly frames: number },
): readonly number[] | null {
  const goal = Math.ceil((frames * GOAL_PERCENT) / 100)
  if (free * 100 < frames * SOFT_PERCENT) {
    const total = vms.reduce((sum, { resident }) => sum + resident, 0)
    const part = (resident: number): number => (total === 0 ? 0 : Math.min(resident, Math.ceil(((goal - free) * resident) / total)))
    return vms.map(({ resident, given }) => given + part(resident))
  }
  if (free * 100 < frames * EASE_PERCENT) return null
  const given = vms.reduce((sum, vm) => sum + vm.given, 0)
  return vms.map((vm) => (given === 0 ? 0 : Math.max(0, vm.given - Math.ceil(((free - goal) * vm.given) / given))))
}
