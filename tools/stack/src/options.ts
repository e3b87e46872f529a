/** The command line of the stack, parsed once. Pure. A wrong flag is one error that names it and the remedy. */

export type Command = "up" | "down" | "status" | "logs" | "doctor" | "kill"

export interface Replacement {
  readonly service: string
  /** A shell command line. */
  readonly command: string
}

export interface UpOptions {
  readonly detach: boolean
  readonly colocate: boolean
  readonly grafana: boolean
  readonly scenario: string | null
  /** Another table of services than the built-in one: a module that exports `services`. */
  readonly manifest: string | null
  readonly replacements: readonly Replacement[]
  /** Processes by service, where they differ from the table. */
  readonly counts: ReadonlyMap<string, number>
  /** Availability zones that the shards of the store are dealt to. */
  readonly zones: number
  /** Ports asked for by number: they must be free. Others move to the next free one. */
  readonly natsPort: number | null
  readonly httpPort: number | null
}

export interface Invocation {
  readonly command: Command
  /** Where state and logs lie. Null: `.backplane` of the checkout. */
  readonly home: string | null
  readonly up: UpOptions
  readonly json: boolean
  readonly follow: boolean
  /** The service or instance that `logs` and `kill` are about. */
  readonly target: string | null
}

/** The user's mistake: `message` is all that is printed; the exit code is 2. */
export class UsageError extends Error {
  override readonly name = "UsageError"
}

export const HELP = `usage: npx nx run stack:up [--detach] [--colocate] [--grafana] [--scenario FILE] [--replace SERVICE='COMMAND']…
                           [--count SERVICE=N]… [--shards N] [--zones N] [--nats-port N] [--http-port N] [--manifest FILE] [--home FOLDER]
       npx nx run stack:down
       npx nx run stack:status [--json]
       npx nx run stack:logs [SERVICE] [-f]
       npx nx run stack:kill INSTANCE        power off one process; the stack starts it again
       npx nx run stack:doctor`

const COMMANDS: readonly Command[] = ["up", "down", "status", "logs", "doctor", "kill"]
type Kind = "switch" | "value"
const UP_FLAGS: Readonly<Record<string, Kind>> = {
  "--detach": "switch",
  "--colocate": "switch",
  "--grafana": "switch",
  "--scenario": "value",
  "--manifest": "value",
  "--replace": "value",
  "--count": "value",
  "--shards": "value",
  "--zones": "value",
  "--nats-port": "value",
  "--http-port": "value",
}
const FLAGS: Readonly<Record<Command, Readonly<Record<string, Kind>>>> = {
  up: UP_FLAGS,
  down: {},
  status: { "--json": "switch" },
  logs: { "-f": "switch", "--follow": "switch" },
  doctor: { "--json": "switch" },
  kill: {},
}
const TARGETS_MAX: Readonly<Record<Command, number>> = { up: 0, down: 0, status: 0, logs: 1, doctor: 0, kill: 1 }
const COUNT_MAX = 64

interface Given {
  readonly switches: ReadonlySet<string>
  readonly values: ReadonlyMap<string, readonly string[]>
  readonly targets: readonly string[]
}

export function parseInvocation(args: readonly string[]): Invocation {
  const command = args[0]
  if (!isCommand(command)) throw new UsageError(`unknown command "${command ?? ""}"\n${HELP}`)
  const given = readFlags(command, args.slice(1))
  const target = given.targets[0] ?? null
  if (command === "kill" && target === null) throw new UsageError(`kill needs the instance, for example: kill numa-node-0`)
  return {
    command,
    home: one(given, "--home"),
    json: given.switches.has("--json"),
    follow: given.switches.has("-f") || given.switches.has("--follow"),
    target,
    up: {
      detach: given.switches.has("--detach"),
      colocate: given.switches.has("--colocate"),
      grafana: given.switches.has("--grafana"),
      scenario: one(given, "--scenario"),
      manifest: one(given, "--manifest"),
      replacements: pairs(given, "--replace", "'python3 my-scheduler.py'").map(([service, line]) => ({ service, command: line })),
      counts: countsOf(given),
      zones: wholeNumber("--zones", one(given, "--zones") ?? "1", 1, COUNT_MAX),
      natsPort: port(given, "--nats-port"),
      httpPort: port(given, "--http-port"),
    },
  }
}

function readFlags(command: Command, args: readonly string[]): Given {
  const known: Readonly<Record<string, Kind>> = { ...FLAGS[command], "--home": "value" }
  const switches = new Set<string>()
  const values = new Map<string, string[]>()
  const targets: string[] = []
  const rest = [...args]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (!arg.startsWith("-")) {
      targets.push(arg)
      continue
    }
    const [name = arg, inline] = splitOnce(arg)
    const kind = known[name]
    if (kind === undefined) throw new UsageError(`stack:${command} has no option ${name}: it has ${Object.keys(known).join(", ")}`)
    if (kind === "switch") {
      // nx hands `--detach` over as `--detach=true`.
      if (inline !== undefined && inline !== "true" && inline !== "false")
        throw new UsageError(`${name} takes no value: leave out "=${inline}"`)
      if (inline !== "false") switches.add(name)
      continue
    }
    const value = inline ?? (name === "--replace" ? takeParted(rest) : rest.shift())
    if (value === undefined || value === "") throw new UsageError(`${name} needs a value, for example ${name}=…`)
    values.set(name, [...(values.get(name) ?? []), value])
  }
  const extra = targets[TARGETS_MAX[command]]
  if (extra !== undefined) throw new UsageError(`stack:${command} does not take "${extra}"\n${HELP}`)
  return { switches, values, targets }
}

/** nx drops the quotes of `--replace SERVICE='python3 -u x.py'`: the words up to the next option of ours are one command line. */
function takeParted(rest: string[]): string | undefined {
  const end = rest.findIndex((word, index) => index > 0 && word.startsWith("--"))
  const words = rest.splice(0, end < 0 ? rest.length : end)
  return words.length === 0 ? undefined : words.join(" ")
}

function splitOnce(text: string): readonly [string, string?] {
  const at = text.indexOf("=")
  return at < 0 ? [text] : [text.slice(0, at), unquoted(text.slice(at + 1))]
}

/** nx quotes a value that has spaces before it hands the line to a shell; a second pair of quotes then survives. */
function unquoted(text: string): string {
  const quote = text[0]
  return text.length > 1 && (quote === '"' || quote === "'") && text.endsWith(quote) ? text.slice(1, -1) : text
}

function one(given: Given, name: string): string | null {
  const all = given.values.get(name) ?? []
  if (all.length > 1) throw new UsageError(`${name} is given ${all.length} times: give it once`)
  return all[0] ?? null
}

function pairs(given: Given, name: string, example: string): readonly (readonly [string, string])[] {
  return (given.values.get(name) ?? []).map((text) => {
    const [service, value] = splitOnce(text)
    if (value === undefined || service === undefined || service === "" || value.trim() === "") {
      throw new UsageError(`${name} "${text}" is not SERVICE=VALUE, for example ${name} cpu-scheduler=${example}`)
    }
    return [service, value] as const
  })
}

/** `--shards N` is the count that people know best by its own name. */
function countsOf(given: Given): ReadonlyMap<string, number> {
  const counts = pairs(given, "--count", "4").map(
    ([service, text]) => [service, wholeNumber(`--count ${service}`, text, 1, COUNT_MAX)] as const,
  )
  const shards = one(given, "--shards")
  return new Map(shards === null ? counts : [...counts, ["kv-shard", wholeNumber("--shards", shards, 0, COUNT_MAX)] as const])
}

function port(given: Given, name: string): number | null {
  const text = one(given, name)
  return text === null ? null : wholeNumber(name, text, 1, 65_535)
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < min || value > max)
    throw new UsageError(`${name} is "${text}": give a whole number from ${min} to ${max}`)
  return value
}

function isCommand(text: string | undefined): text is Command {
  return COMMANDS.some((each) => each === text)
}
