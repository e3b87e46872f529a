/** Why a policy was ejected, as a machine's hypervisor tells it: what `sched exits` prints and a storm counts. */

export interface ExitRecord {
  readonly exit: number
  readonly tick: number
  readonly policy: string
  readonly queue: string
  readonly fault: string
  readonly message: string
  readonly then: string
  readonly next: string | null
  readonly lines: readonly string[]
  readonly tasks: readonly {
    task: string
    state: string
    ticks: number
    runtime: number
    cpu: number | null
    affinity: readonly number[]
  }[]
}
