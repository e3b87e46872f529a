/** One trace as a waterfall: the newest of a flow, or the newest that a task takes part in. */
import { look } from "./api.ts"
import { part, reason } from "./elements.ts"
import { drawWaterfall, type SpanData } from "./waterfall.ts"

interface Trace {
  readonly traceId: string
  readonly spans: readonly SpanData[]
}

export function startTracesPanel(): void {
  part("flow").addEventListener("change", () => void showFlow())
  part("refresh").addEventListener("click", () => void showFlow())
}

export async function showFlow(flow = (part("flow") as HTMLSelectElement).value): Promise<void> {
  ;(part("flow") as HTMLSelectElement).value = flow
  await show(() => look<Trace>(`/api/traces/last/${encodeURIComponent(flow)}`))
}

/** Chosen in the Gantt. */
export async function showTask(task: string): Promise<void> {
  await show(async () => {
    const query = new URLSearchParams({ attribute: `backplane.task=${task}`, limit: "1" })
    const [newest] = (await look<{ traces: readonly { traceId: string }[] }>(`/api/traces?${query.toString()}`)).traces
    if (newest === undefined) throw new Error(`no trace of ${task} is here (any more): the collector keeps the last minutes`)
    return look<Trace>(`/api/traces/${newest.traceId}`)
  })
  part("trace").scrollIntoView({ block: "nearest" })
}

async function show(find: () => Promise<Trace>): Promise<void> {
  const target = part("trace")
  try {
    const { spans, traceId } = await find()
    const id = document.createElement("p")
    id.className = "faint"
    id.textContent = `trace ${traceId}; in the terminal: npx backplane trace show ${traceId}`
    target.replaceChildren(drawWaterfall(spans), id)
  } catch (error) {
    target.textContent = reason(error)
  }
}
