/** The newest trace of a flow in a simulated run, as the tree that `backplane trace last` prints of a stack, or as a moving picture. */
import { readFileSync, writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { SpanRecorder } from "@backplane/foundation-simulation/span-recorder"
import { simulatedTraceSpan } from "@backplane/foundation-telemetry/trace-span"
import { lastTrace, renderTrace } from "@backplane/foundation-telemetry/trace-tree"
import { machineSpecOf } from "@backplane/scenario-machine/resolve"
import { conversationSvg } from "@backplane/scenario-picture/conversation-svg"
import { actorsWith } from "./machine-actors.ts"
import { imagesOf } from "./memory-images.ts"
import { simulate } from "./simulate.ts"
import { FlagError } from "./whole-flag.ts"

/** `trace <flow> [--svg file] [--json] [--image file]…`, the machine as JSON on standard input. */
export function traceCommand(args: readonly string[]): number {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { svg: { type: "string" }, json: { type: "boolean" }, image: { type: "string", multiple: true } },
    allowPositionals: true,
  })
  const [flow = ""] = positionals
  const spec = machineSpecOf(JSON.parse(readFileSync(0, "utf8")))
  const recorder = new SpanRecorder()
  simulate(spec, { spans: recorder, fingerprint: "off" }, actorsWith(imagesOf(values.image ?? [])))
  const found = lastTrace(
    recorder.spans.map((span) => simulatedTraceSpan(span, spec.name)),
    flow,
  )
  if (found.kind === "none") throw found.isUnknown ? new FlagError(found.reason) : new Error(found.reason)
  const ids = new Set(found.spans.map(({ spanId }) => spanId))
  const spans = recorder.spans.filter(({ spanId }) => ids.has(spanId))
  if (values.svg !== undefined) writeFileSync(values.svg, conversationSvg(spans, `A ${flow} on ${spec.name} (${spec.schedule.policy})`))
  process.stdout.write(values.json === true ? `${JSON.stringify({ spans: found.spans })}\n` : renderTrace(found.spans))
  return 0
}
