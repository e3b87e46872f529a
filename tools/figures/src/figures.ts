/** Every figure by name, in two books: locks, and memory over nodes. */
import { cacheAffinity, threads } from "./core-figures.ts"
import { teachingKernel } from "./kernel-figures.ts"
import { falseSharing, kernelLocks, spinLocks } from "./lock-figures.ts"
import { vcpuMigration } from "./migration-figure.ts"
import { dataOrComputation, discoPolicies, placement } from "./numa-figures.ts"
import type { FigureSize, VirtualFigure } from "./figure.ts"

export type MakeFigure = (size: FigureSize) => VirtualFigure

export const LOCK_FIGURES: readonly MakeFigure[] = [spinLocks, kernelLocks, teachingKernel, falseSharing]
export const NUMA_FIGURES: readonly MakeFigure[] = [discoPolicies, placement, vcpuMigration, dataOrComputation, cacheAffinity, threads]
