/** The description of a machine without the images of its guests: for all actors but the hypervisor, which sends them on with the tasks. */
import type { MachineSpec } from "./machine-spec.ts"

export function withoutImages(spec: MachineSpec): MachineSpec {
  if (spec.jobs.every((job) => job.guest?.image === undefined)) return spec
  const jobs = spec.jobs.map((job) => {
    if (job.guest === undefined) return job
    const { image: _, ...guest } = job.guest
    return { ...job, guest }
  })
  return { ...spec, jobs }
}
