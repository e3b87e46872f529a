/** Policies on workloads over drawn sets: every contender of a workload gets the same sets. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { guestFileReader } from "@backplane/trap-guest/guest-files"
import { Random } from "@backplane/foundation-base/random"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { ImageFileReader } from "@backplane/scenario-machine/vm-spec"
import type { DrawnMachine, Workload } from "@backplane/scenario-workloads/workload"
import { metricsOf, type Metrics } from "@backplane/schedule-measure/metrics"
import { responseTime, wakeLatency } from "@backplane/schedule-measure/latencies"
import { median, spread } from "@backplane/schedule-measure/percentiles"
import type { RunRecord } from "@backplane/schedule-measure/run-record"
import { actorsWith } from "../machine-actors.ts"
import { MemoryImages } from "../memory-images.ts"
import { COLUMNS } from "./columns.ts"
import { actorsFor, type Contender } from "./contender.ts"
import { measuredRun } from "./measured-run.ts"

/** Over the seeds. Null: no run had such a figure. */
export interface Figure {
  readonly median: number
  readonly spread: number
}

export interface Score {
  readonly contender: string
  readonly figures: Readonly<Record<string, Figure | null>>
  /** Refused decisions by verdict, all sets together. */
  readonly refusals: Readonly<Record<string, number>>
  /** Sets that had no end, and why the first had none. */
  readonly failures: { readonly sets: number; readonly first: string | null }
  /** Per set, in order; failed ones left out. */
  readonly runs: readonly Metrics[]
  /** Stands beside a contender to compare with, and cannot be the best. */
  readonly isReference?: true
}

export interface Board {
  readonly workload: Workload
  readonly sets: number
  readonly scores: readonly Score[]
}

export function boardOf(
  workload: Workload,
  contenders: readonly Contender[],
  options: { readonly sets: number; readonly firstSet?: number; readonly onScore?: (label: string) => void },
): Board {
  const scores = contenders.map((contender) => {
    options.onScore?.(contender.label)
    return scoreOf(workload, contender, options)
  })
  return { workload, sets: options.sets, scores }
}

function scoreOf(
  workload: Workload,
  contender: Contender,
  { sets, firstSet = 0 }: { readonly sets: number; readonly firstSet?: number },
): Score {
  const runs: Metrics[] = []
  let failed = 0
  let first: string | null = null
  for (let set = firstSet; set < firstSet + sets; set++) {
    try {
      runs.push(focused(measuredRun(specFor(workload, contender, set), actorsFor(contender, actorsWith(drawnImages))).record, workload))
    } catch (error) {
      failed++
      first ??= `set ${set}: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  return {
    contender: contender.label,
    figures: Object.fromEntries(COLUMNS.map(({ name, of }) => [name, figureOf(runs.map(of))])),
    refusals: sumOf(runs.map(({ refusals }) => refusals)),
    failures: { sets: failed, first },
    runs,
  }
}

const GUEST_IMAGES = join(import.meta.dirname, "../../../../tools/guests/images")
const readGuestFile = guestFileReader((file) => readFileSync(join(GUEST_IMAGES, file)), { readImage: readGuestImage })
/** What VMs of drawn machines boot. */
export const drawnImages = new MemoryImages()
const drawnFiles = new Set<string>()
const readImage: ImageFileReader = (file) => {
  const path = join(GUEST_IMAGES, file)
  drawnFiles.add(path)
  return drawnImages.add(readFileSync(path))
}

/** Of the images of all machines drawn so far. */
export function imageFiles(): readonly string[] {
  return [...drawnFiles]
}

/** The machine of a drawn set under a contender. */
export function specFor(
  workload: Workload,
  { policy, peekTicks, isOstep }: Contender,
  set: number,
  clock: NonNullable<DrawnMachine["clock"]> = {},
): MachineSpec {
  const drawn = workload.draw(new Random(set).fork(workload.name), set)
  const schedule = {
    ...drawn.schedule,
    policy,
    ...(peekTicks !== null && { peekTicks }),
    ...(isOstep && { compat: "ostep" as const }),
  }
  return resolveMachineSpec(
    { ...drawn, name: `bench-${workload.name}`, seed: set, schedule, clock: { ...drawn.clock, ...clock } },
    readGuestFile,
    readImage,
  )
}

/** Latencies are those of the tasks that the workload is about; all else is of the whole machine. */
function focused(record: RunRecord, { focus }: Workload): Metrics {
  const metrics = metricsOf(record)
  if (focus === undefined) return metrics
  const about = { tasks: record.tasks.filter(({ name }) => name.startsWith(focus)) }
  return { ...metrics, wake: wakeLatency(about), response: responseTime(about) }
}

function figureOf(values: readonly (number | null)[]): Figure | null {
  const numbers = values.filter((value) => value !== null)
  return numbers.length === 0 ? null : { median: median(numbers), spread: spread(numbers) }
}

function sumOf(counts: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  const sums = new Map<string, number>()
  for (const one of counts) for (const [name, count] of Object.entries(one)) sums.set(name, (sums.get(name) ?? 0) + count)
  return Object.fromEntries([...sums].sort(([a], [b]) => (a < b ? -1 : 1)))
}
