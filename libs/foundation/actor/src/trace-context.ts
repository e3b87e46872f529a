/**
 * The part of a trace that travels with a message (W3C Trace Context). Machines never make or read the ids: the host
 * that carries out their effects does, so the same machine is traced live and in the simulation.
 */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits: the span that sent the message. */
  readonly spanId: string
  readonly sampled: boolean
}

/** Values that a span or an event may carry. Names come from the span registry and start with `backplane.`. */
export type Attributes = Readonly<Record<string, string | number | boolean>>
