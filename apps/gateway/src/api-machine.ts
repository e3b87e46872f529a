/** The HTTP API of machines, their VMs and memory, processes and traces: one table, as kv/openapi.ts has it for the store. */
import { PROCESS_ACTIONS } from "./routes-operator.ts"
import type { ApiRoute } from "./kv/openapi.ts"

const JSON_TYPE = "application/json"
const READ = { "400": "malformed: `field` names what is wrong, `remedy` what to send", "401": "a token is wanted" } as const
const SCOPED = { ...READ, "403": "the token has not the scope" } as const
const NONE = "there is none of that name: `remedy` says which there are"
const ASKED = {
  ...SCOPED,
  "404": NONE,
  "409": "refused: `detail` says why",
  "503": "the gateway is not on the bus",
  "504": "who was asked does not answer",
} as const
const VM = "/v1/machines/{machine}/vms/{vm}"
const MEMORY = "/v1/machines/{machine}/memory"

const get = (path: string, summary: string, answer: string, query: Readonly<Record<string, string>> = {}): ApiRoute => ({
  method: "get",
  path,
  summary,
  scope: /^\/(v1|api)\//.test(path) ? "read" : null,
  query,
  answers: {
    "200": answer,
    ...(path.startsWith("/v1/") ? ASKED : path.startsWith("/api/") ? { ...SCOPED, ...(path.includes("{") && { "404": NONE }) } : READ),
  },
})

interface Act {
  readonly method?: "post" | "put"
  readonly status?: "200" | "202"
  /** JSON schema of each field of the body. */
  readonly fields?: Readonly<Record<string, object>>
  readonly required?: readonly string[]
  readonly query?: Readonly<Record<string, string>>
}

const act = (
  path: string,
  summary: string,
  answer: string,
  { method = "post", status = "202", fields, required = [], query = {} }: Act = {},
): ApiRoute => ({
  method,
  path,
  summary,
  scope: "operate",
  query,
  ...(fields !== undefined && { body: { type: JSON_TYPE, schema: { type: "object", properties: fields, required } } }),
  answers: { [status]: answer, ...ASKED },
})

const NUMBER = { type: "integer", minimum: 0 }
const TEXT = { type: "string" }
const NUMBERS = { type: "array", items: NUMBER }

export const MACHINE_API: readonly ApiRoute[] = [
  get("/api/machine", "all machines as their actors see themselves", "machines and the processes that host them"),
  get("/api/machine/stream", "the same as server-sent events, five times a second", "a stream"),
  get("/api/policies", "what can take over", "names and summaries"),
  act("/v1/machines/{machine}/policy", "lets another policy take over", "begun: `hypervisor` of /api/machine says how it does", {
    method: "put",
    fields: { policy: TEXT, shadowSlices: NUMBER, shadowOnly: { const: true }, cpus: NUMBERS },
    required: ["policy"],
  }),
  get("/v1/machines/{machine}/vms", "its virtual machines", "each with its state, node, life and last move"),
  act(VM, "makes one and boots it; the body is a description as in a scenario, images by hash, disks as kv:<name>", "begun", {
    method: "put",
    fields: {},
    query: { start: "false: it is not booted yet" },
  }),
  act(`${VM}/{operation}`, "start, pause, resume, stop, destroy; move has a body", "begun: its state says what became of it", {
    fields: { to: { ...NUMBER, description: "of a move: the node" } },
  }),
  get(`${VM}/console`, "what it wrote, as server-sent events {from, data, state}; data is base64", "a stream", {
    from: "the first byte, counted from its first boot; Last-Event-ID does the same",
  }),
  act(`${VM}/console`, "types at it", "{taken, state}: how many bytes were taken; the rest is to be typed again", {
    status: "200",
    fields: {
      writer: { ...TEXT, description: "a name of your own" },
      seq: { ...NUMBER, description: "1 for the first piece, one more for each: a repeat types nothing twice" },
      data: { ...TEXT, description: "base64" },
    },
    required: ["writer", "seq", "data"],
  }),
  get(MEMORY, "frames of the nodes, and shared memories", "nodes and spaces"),
  get(`${MEMORY}/{space}`, "where the pages of one lie", "the space, some of its pages, and `next`", { from: "the first page" }),
  act(`${MEMORY}/{space}/{page}/migrate`, "the frame goes to another node", "the page as it is now", {
    status: "200",
    fields: { to: NUMBER },
    required: ["to"],
  }),
  act(`${MEMORY}/{space}/{page}/replicate`, "nodes fetch a readable copy", "the page as it was then", {
    status: "200",
    fields: { on: NUMBERS },
    required: ["on"],
  }),
  get("/v1/processes", "the processes of the stack", "as its supervisor sees them"),
  act("/v1/processes/{process}/{action}", `does that to one: ${PROCESS_ACTIONS.join(", ")}`, "and the processes after it", {
    status: "200",
  }),
  get("/v1/scoreboard/workloads", "on which policies are compared", "names, and what each asks"),
  act("/v1/scoreboard", "policies compared in simulation; one comparison at a time (429)", "as `backplane sched compare --json`", {
    status: "200",
    fields: { policies: { type: "array", items: TEXT }, workload: TEXT, seeds: NUMBER },
    required: ["policies", "workload"],
  }),
  get("/api/traces", "traces of the last minutes, newest first", "summaries", {
    root: "name of the first span",
    service: "that has a span in it",
    span: "name of any span",
    attribute: "name=value, such as backplane.task=j7",
    limit: "1 to 1000, default 50",
  }),
  get(
    "/api/traces/last/{flow}",
    "the newest trace of a flow (migration, trap, …)",
    "spans; with Accept: text/plain the tree. With the header backplane-trace-arriving parts of it may still come; with backplane-trace-played a visitor of the gateway's asked for it, and no user has yet",
  ),
  get("/api/traces/{id}", "one trace", "spans; with Accept: text/plain the tree"),
  get("/api/spans", "all spans of one machine that are here", "at most the newest 50 000, and how many that leaves out", {
    machine: "its name",
  }),
  get("/api/services", "who told something", "services and their instances"),
  get("/api/logs", "log lines, newest first", "lines", {
    service: "of one service",
    trace: "of one trace",
    level: "warn: warnings and worse",
    limit: "1 to 1000, default 50",
  }),
  get("/metrics", "metrics of all services", "Prometheus text, or OpenMetrics where asked", { prefix: "of the names" }),
  get("/healthz", "alive", "alive"),
  { ...get("/readyz", "ready", "ready"), answers: { "200": "ready", "503": "not yet: `detail` says what it waits for" } },
]
