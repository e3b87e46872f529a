/** services.svg: the services on the bus, as the root README shows them. Data and plain arithmetic; a test holds it against the permissions. */
import { element, picture, text } from "@backplane/scenario-picture/svg-text"

interface Box {
  /** The service, which is also its NATS user. */
  readonly service: string
  /** Kinds of actor that it hosts. */
  readonly hosts: readonly string[]
  /** What it does, a line each. */
  readonly lines: readonly string[]
}

/** Above the bus: who decides. */
export const DECIDERS: readonly Box[] = [
  {
    service: "hypervisor",
    hosts: ["hypervisor", "clock"],
    lines: ["jobs: create, watch, begin again", "office of machines", "machine clock (lock-step)"],
  },
  {
    service: "cpu-scheduler",
    hosts: ["scheduler"],
    lines: ["one actor for each run queue", "decides who runs next", "steals work by messages"],
  },
  { service: "memory-controller", hosts: ["memory"], lines: ["leases of machine frames", "every frame has one owner"] },
]

/** Below the bus: who holds and shows. */
export const HOLDERS: readonly Box[] = [
  {
    service: "numa-node",
    hosts: ["node"],
    lines: ["CPUs, caches, local memory", "holds the state of its tasks", "dispatches, moves tasks"],
  },
  {
    service: "kv-shard",
    hosts: ["replica"],
    lines: ["keys on three replicas, on disk", "reconciles what diverged", "moves when shards come or go"],
  },
  { service: "gateway", hosts: ["gateway", "console"], lines: ["HTTP API: keys, traces", "OTLP collector, console", "/metrics, /readyz"] },
  { service: "operator", hosts: ["operator"], lines: ["npx backplane …", "status, run, sched swap,", "trace, kill"] },
]

const WIDTH = 1007
const MARGIN = 20
const BOX_WIDTH = 226
const BOX_HEIGHT = 118
const GAP = 21
const TOP = 50
const BUS_TOP = TOP + BOX_HEIGHT + 34
const BUS_HEIGHT = 46
const BELOW = BUS_TOP + BUS_HEIGHT + 34
const HEIGHT = BELOW + BOX_HEIGHT + 44

const STYLE = [
  ".name{font-size:14px;font-weight:600}.box{fill:#f6f8fa;stroke:#8c959f}.bus{fill:#dbeafe;stroke:#3b82c4}.wire{stroke:#3b82c4;stroke-width:1.5}",
  "@media(prefers-color-scheme:dark){.box{fill:#161b22;stroke:#6e7681}.bus{fill:#12304d;stroke:#6cb0ef}.wire{stroke:#6cb0ef}}",
].join("")

export function servicesSvg(): string {
  const centre = WIDTH / 2
  const described = [...DECIDERS, ...HOLDERS].map(({ service, lines }) => `${service}: ${lines.join("; ")}.`).join(" ")
  return picture({ width: WIDTH, height: HEIGHT, title: "Services of the back plane", description: described, style: STYLE }, [
    text({ x: MARGIN, y: 28, class: "faint" }, "Each box is a process; the actors in it are the same code that runs in the simulator."),
    ...DECIDERS.flatMap((box, column) => boxAt(box, column, TOP)),
    element("rect", { class: "bus", x: MARGIN, y: BUS_TOP, width: WIDTH - 2 * MARGIN, height: BUS_HEIGHT, rx: 6 }),
    text(
      { x: centre, y: BUS_TOP + 20, anchor: "middle", class: "name" },
      "NATS on the loopback interface; one user with its own permissions for each service",
    ),
    text({ x: centre, y: BUS_TOP + 37, anchor: "middle", class: "faint" }, "bp.{machine}.{toKind}.{toIndex}.{fromKind}.{fromIndex}"),
    ...HOLDERS.flatMap((box, column) => boxAt(box, column, BELOW)),
    text(
      { x: MARGIN, y: HEIGHT - 16, class: "faint" },
      "Traces and metrics go from every service to the gateway (OTLP over HTTP), or to OTEL_EXPORTER_OTLP_ENDPOINT.",
    ),
  ])
}

function boxAt({ service, hosts, lines }: Box, column: number, top: number): readonly string[] {
  const x = MARGIN + column * (BOX_WIDTH + GAP)
  const middle = x + BOX_WIDTH / 2
  const [y1, y2] = top === TOP ? [top + BOX_HEIGHT, BUS_TOP] : [BUS_TOP + BUS_HEIGHT, top]
  return [
    element("line", { class: "wire", x1: middle, y1, x2: middle, y2 }),
    element("rect", { class: "box", x, y: top, width: BOX_WIDTH, height: BOX_HEIGHT, rx: 6 }),
    text({ x: x + 12, y: top + 24, class: "name" }, service),
    text({ x: x + 12, y: top + 44, class: "faint" }, `speaks as: ${hosts.join(", ")}`),
    ...lines.map((line, index) => text({ x: x + 12, y: top + 66 + 17 * index }, line)),
  ]
}
