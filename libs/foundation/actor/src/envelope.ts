/**
 * A message on its way: what a bus carries. The same on every bus; the NATS bus puts all but `body` into headers.
 */
import type { ActorId } from "./actor-id.ts"
import type { Body } from "./machine.ts"
import type { TraceContext } from "./trace-context.ts"
import type { VirtualTime } from "./virtual-time.ts"

export interface Envelope {
  /** The machine (the whole multiprocessor) that both ends belong to: a bus can carry several. */
  readonly machine: string
  readonly from: ActorId
  readonly to: ActorId
  readonly body: Body
  readonly trace?: TraceContext
  /** Only in lock-step: when the receiver may handle it, and the sender's own count, which together order all inputs. */
  readonly stamp?: { readonly at: VirtualTime; readonly sequence: number }
}
