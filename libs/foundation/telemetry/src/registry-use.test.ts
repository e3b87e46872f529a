import { readFileSync, readdirSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { EVENTS } from "./registry/events.ts"
import { METRICS } from "./registry/metrics.ts"
import { unregisteredNames } from "./registry-scan.ts"

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url))
const FOLDERS = ["libs", "apps", "infra"]
const SCANNED = /\.(ts|js|mjs|json|yaml|html|svelte)$/
/** Tests and toys make up names of their own; they never run in a machine. */
const SKIPPED = /(\.test\.ts|\/testing\/[^/]+\.ts|(^|\/)package\.json|tsconfig\.json)$/

function sources(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === "node_modules" || entry.name === "dist" ? [] : sources(path)
    return SCANNED.test(entry.name) && !SKIPPED.test(path) ? [path] : []
  })
}

describe("registered metrics", () => {
  it("are counted by an event or by code", () => {
    const touched = new Set(Object.values(EVENTS).flatMap(({ metrics }) => metrics.map(({ metric }) => metric)))
    const code = ["libs", "apps"]
      .flatMap((folder) => sources(join(ROOT, folder)))
      .filter((path) => !path.includes(join("src", "registry")))
      .map((path) => readFileSync(path, "utf8"))
      .join("")
    const uncounted = Object.keys(METRICS).filter((name) => !touched.has(name) && !code.includes(`"${name}"`))
    expect(uncounted).toEqual([])
  })
})

describe("names of spans, attributes, metrics and events", () => {
  it("are all in the registry wherever libs, apps and infra use them", () => {
    const files = FOLDERS.flatMap((folder) => sources(join(ROOT, folder)))
    expect(files.length).toBeGreaterThan(20)
    expect(files.flatMap((path) => unregisteredNames(relative(ROOT, path), readFileSync(path, "utf8")))).toEqual([])
  })

  it.each([
    ['openSpan("k", "sched.decided")', 'a.ts:1: span "sched.decided"'],
    ['openSpan(key(task, 1), "sched.decided", {})', 'a.ts:1: span "sched.decided"'],
    ['openSpan(\n  `steal/${cpu}`,\n  "sched.robs",\n)', 'span "sched.robs"'],
    ['noteSpan("tarp ecall")', 'span "tarp ecall"'],
    ["noteSpan(`trip ${cause}`)", 'span "trip ${cause}"'],
    ['\n\nevent("dispatched", {})', 'a.ts:3: event "dispatched"'],
    ['events.event({ name: "service.began", level: "info" })', 'event "service.began"'],
    ['this.#say("machine-made", "info", {})', 'event "machine-made"'],
    ['{ "backplane.cpus": 1 }', 'attribute "backplane.cpus"'],
    ['attributes["backplane.jobs"]', 'attribute "backplane.jobs"'],
    ["{ span.backplane.jobb = 1 }", 'attribute "backplane.jobb"'],
    ["rate(backplane_dispatch_total[1m])", 'metric "backplane_dispatch_total"'],
    ["backplane_tasks_bucket", 'metric "backplane_tasks_bucket"'],
  ])("are caught where they are not: %s", (text, finding) => {
    const findings = unregisteredNames("a.ts", text)
    expect(findings).toHaveLength(1)
    expect(findings[0]).toContain(finding)
  })

  it.each([
    'openSpan(`d/${cpu}`, "sched.decide", { "backplane.cpu": cpu })',
    "noteSpan(`trap ${cause}`)",
    'event("steal-asked", { cpu })',
    "histogram_quantile(0.9, rate(backplane_slice_ticks_bucket[5m]))",
    'subject("backplane.m1.node.0.>")',
    'sink.event("anything")',
    'events.event({ name: "service.started", level: "info" })',
    "events.event({ name: `bus.${problem}`, level: 'warn' })",
    'say("every process is back")',
  ])("are let through where they are: %s", (text) => {
    expect(unregisteredNames("a.ts", text)).toEqual([])
  })
})
