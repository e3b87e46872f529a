/**
 * Levels of the O(1) scheduler: 40, one for each nice value, 0 the most important.
 *
 * A level is worth 1.25 times the weight of the next (as in Linux, where one nice value is about 10 % of CPU time between two tasks);
 * weight 100 is level 20. Slices by level are those of Linux 2.6 `task_timeslice`: 8 times the base at level 0, 1/20 of it at level 39.
 */
export const LEVELS = 40
const LEVEL_DEFAULT = 20
const STEP = 1.25

/** Least weight of each level, by multiplication only: the same on every host. */
const LEAST_WEIGHTS: readonly number[] = (() => {
  const least: number[] = []
  let weight = 100 / Math.sqrt(STEP) // the middle between two levels
  for (let level = LEVEL_DEFAULT; level >= 0; level--, weight *= STEP) least[level] = weight
  weight = 100 / Math.sqrt(STEP) / STEP
  for (let level = LEVEL_DEFAULT + 1; level < LEVELS; level++, weight /= STEP) least[level] = weight
  return least
})()

export function levelOfWeight(weight: number): number {
  const level = LEAST_WEIGHTS.findIndex((least) => weight >= least)
  return level < 0 ? LEVELS - 1 : level
}

export function levelSliceTicks(level: number, baseTicks: number): number {
  const base = level < LEVEL_DEFAULT ? 4 * baseTicks : baseTicks
  return Math.max(1, Math.floor((base * (LEVELS - level)) / LEVEL_DEFAULT))
}
