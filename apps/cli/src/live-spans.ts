/** The spans of a machine that ran on a stack, in virtual time as the simulator's are: what the stack's collector has of it. */
import type { PictureSpan } from "@backplane/scenario-picture/perfetto-input"
import { CommandFailure } from "./failure.ts"
import { bearerOf, type StackState } from "./stack-client.ts"

/** Services send their spans twice a second: after so long nothing new comes of a machine that has ended. */
const SETTLED_MILLISECONDS = 1_500
const DEADLINE_MILLISECONDS = 15_000
const REQUEST_MILLISECONDS = 10_000
/** Of every span; a picture shows them otherwise. */
const OF_THE_HOST = new Set(["backplane.machine", "backplane.actor", "backplane.vt", "backplane.vt_end"])

interface Span {
  readonly spanId: string
  readonly parentSpanId: string | null
  readonly name: string
  readonly instance: string
  readonly attributes: Readonly<Record<string, string | number | boolean>>
  readonly error: string | null
}

/** Waits until no more come. Throws where the collector cannot be asked. */
export async function spansOf(http: Http, machine: string): Promise<readonly PictureSpan[]> {
  const deadline = Date.now() + DEADLINE_MILLISECONDS
  let spans = await look(http, machine)
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MILLISECONDS))
    const now = await look(http, machine)
    if (now.length === spans.length || Date.now() > deadline) return pictured(now)
    spans = now
  }
}

type Http = StackState["http"]

async function look({ url, token }: Http, machine: string): Promise<readonly Span[]> {
  try {
    const signal = AbortSignal.timeout(REQUEST_MILLISECONDS)
    const response = await fetch(`${url}/api/spans?machine=${encodeURIComponent(machine)}`, { headers: bearerOf(token), signal })
    if (!response.ok) throw new Error(await response.text())
    const { spans, dropped } = (await response.json()) as { spans: readonly Span[]; dropped: number }
    if (dropped > 0) process.stderr.write(`the oldest ${dropped} spans are left out\n`)
    return spans
  } catch (error) {
    throw new CommandFailure("no-collector", `the collector at ${url} does not tell the spans of ${machine}: ${String(error)}`)
  }
}

function pictured(spans: readonly Span[]): readonly PictureSpan[] {
  return spans.flatMap(({ spanId, parentSpanId, name, instance, attributes, error }) => {
    const [start, end] = [attributes["backplane.vt"], attributes["backplane.vt_end"]]
    if (typeof start !== "number" || typeof end !== "number") return []
    const own = Object.fromEntries(Object.entries(attributes).filter(([key]) => !OF_THE_HOST.has(key)))
    return [{ spanId, parentSpanId, name, actor: instance, start, end: Math.max(start, end), attributes: own, error }]
  })
}
