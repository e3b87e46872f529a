/**
 * How fast the hardware threads of a core run, from what each is made of: computing, which a core does for one at a time, and waiting for
 * memory, in which the core is free for the others.
 *
 * The model is a closed queueing network: n customers go round between one server that is shared evenly (the pipes of the core) and a
 * delay (memory). Its state is the set of threads that compute; by the product form of Baskett, Chandy, Muntz and Palacios ("Open, Closed,
 * and Mixed Networks of Queues with Different Classes of Customers", JACM 22(2), 1975) a set S has the weight |S|! times the product of
 * compute/stall over its members. So what a second thread brings comes out of how often tasks stall: nothing where none ever does, nearly
 * all of itself where both mostly wait. A lower frequency stretches computing, far memory stretches waiting.
 */

/** Time that a unit of work takes by itself, in ticks: computing, and waiting for memory. */
export interface ThreadLoad {
  readonly compute: number
  readonly stall: number
}

/** Of the speed alone at full frequency near memory. */
export const FULL_SPEED = 1024
/** A thread that never waits is taken for one that hardly does. */
const STALL_LEAST = 1e-6

/** Work in a tick of each thread, of `FULL_SPEED`. */
export function threadSpeeds(threads: readonly ThreadLoad[]): readonly number[] {
  if (threads.length === 1) return threads.map(({ compute, stall }) => scaled(1 / (compute + stall)))
  const done = threads.map(() => 0)
  let whole = 0
  for (let set = 0; set < 1 << threads.length; set++) {
    const members = threads.flatMap((_, index) => ((set & (1 << index)) === 0 ? [] : [index]))
    const weight = members.reduce((product, member, rank) => product * (rank + 1) * ratioOf(threads[member]), 1)
    whole += weight
    for (const member of members) done[member] = (done[member] ?? 0) + weight / members.length
  }
  // A thread at the server is served at 1/|S| of its speed, and a unit of its work takes `compute` there.
  return done.map((share, index) => scaled(share / whole / (threads[index]?.compute ?? 1)))
}

function ratioOf(thread: ThreadLoad | undefined): number {
  return (thread?.compute ?? 1) / Math.max(STALL_LEAST, thread?.stall ?? 0)
}

function scaled(rate: number): number {
  return Math.max(1, Math.min(FULL_SPEED, Math.round(FULL_SPEED * rate)))
}

/** What a task is made of on a CPU of this capacity (of 1024), with memory so far away (in percent). */
export function loadOf(stallPermille: number, where: { readonly capacity: number; readonly memoryPercent: number }): ThreadLoad {
  return {
    compute: ((1000 - stallPermille) / 1000) * (FULL_SPEED / where.capacity),
    stall: (stallPermille / 1000) * (where.memoryPercent / 100),
  }
}
