/**
 * `backplane check`: `coherence` searches every state that the coherence protocol can reach within bounds; `memory`, `guest` and `store` try
 * memory, a guest and the key-value store out in simulation.
 */
import { availableParallelism } from "node:os"
import { checkCoherence, checkPlanted } from "@backplane/memory-coherence/checker/check"
import { InvalidArgumentError, type Command } from "commander"
import { passThrough } from "../checkout.ts"
import { count, sizeOption } from "../number-flags.ts"

/** 64 bits of hash and what leads back: about 26 bytes a state, beside the states still to be looked at. */
const STATES_MAX = 50_000_000

function states(text: string): number {
  const value = count(text)
  if (value > STATES_MAX) throw new InvalidArgumentError(`give at most ${STATES_MAX}: more does not fit in memory`)
  return value
}

/** A tenth of a second: longer, and who waits would ask again and again. */
const PATIENCE_MAX = 100_000_000

function patience(text: string): number {
  if (text === "0") return 0
  const value = count(text)
  if (value > PATIENCE_MAX) throw new InvalidArgumentError(`give 0 to ${PATIENCE_MAX} cycles: other nodes wait meanwhile`)
  return value
}

interface Flags {
  readonly states: number
  readonly planted?: true
  readonly json?: true
}

export function register(program: Command): void {
  const check = program
    .command("check")
    .description("check shared memory and the store; ends with 1 where a promise is broken, and says how it came to that")
  check
    .command("memory")
    .description("random harts on three nodes in one memory, in simulation, under faults: every access compared with one flat memory")
    .option("--operations <n>", "how many loads, stores and atomics", count, 1_000_000)
    .option("--from <seed>", "the first seed; each million operations has the next", count, 1)
    .option("--faults <faults>", "none, messages or messages-and-controller", "messages-and-controller")
    .option("--swap", "there are fewer frames than pages: the others lie in a page store, which is killed, too")
    .option("--moves", "frames of pages are moved to other nodes and copies pushed all the while")
    .option("--planted", "break the protocol in each of the known ways instead, and demand that it be found")
    .option("--json", "print JSON")
    .action(async (flags: Readonly<Record<string, string | number | true>>) => {
      const args = Object.entries(flags).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, String(value)]))
      process.exitCode = await passThrough("apps/simulator/src/main.ts", ["memory-tester", ...args])
    })
  registerGuest(check)
  check
    .command("replicas")
    .description("the store in simulation: replicas go apart while links break, and come together again when they are whole")
    .option("--seed <n>", "of everything that happens", count, 1)
    .option("--seconds <n>", "simulated, that links break", count, 12)
    .option("--json", "print JSON")
    .action(async (flags: { readonly seed: number; readonly seconds: number; readonly json?: true }) => {
      const args = ["--seed", String(flags.seed), "--seconds", String(flags.seconds), ...(flags.json === true ? ["--json"] : [])]
      process.exitCode = await passThrough("libs/kv/simulation/src/apart.ts", args)
    })
  check
    .command("store")
    .description(
      "the key-value store in simulation, a minute of drawn faults a seed: promises kept, everything equal and answered after healing",
    )
    .option("--seeds <n>", "how many; with --planted at most so many for each bug (200)", count)
    .option("--from <seed>", "the first seed", count, 1)
    .option("--planted", "break the store in each of the known ways instead, and demand that 95 % be found")
    .option("--bug <text>", "with --planted: only bugs with this in their name")
    .option("--pairs", "each class of fault alone and each two of them, a seed each, instead of what the seeds draw")
    .option("--jobs <n>", "processes that share the seeds (default: the computer's cores)", count)
    .action(async ({ seeds, from, planted: hunts, bug, pairs, jobs }: StoreFlags) => {
      const args = hunts === true ? ["--seeds", String(seeds ?? 200)] : ["--from", String(from), "--count", String(seeds ?? 100)]
      if (bug !== undefined && hunts === true) args.push("--bug", bug)
      if (pairs === true && hunts !== true) args.push("--pairs")
      if (hunts !== true) args.push("--jobs", String(jobs ?? availableParallelism()))
      process.exitCode = await passThrough(`libs/kv/simulation/src/${hunts === true ? "score" : "main"}.ts`, args)
    })
  check
    .command("laws")
    .description(
      "how the store joins what replicas know: every data type's laws, and every policy's, with drawn histories and all short ones",
    )
    .option("--cases <n>", "drawn for each law and type", count, 10_000)
    .action(async ({ cases }: { readonly cases: number }) => {
      process.exitCode = await passThrough("tools/test/src/check-laws.ts", ["--cases", String(cases)])
    })
  check
    .command("coherence")
    .description("the coherence protocol with three nodes, two pages, a network that loses, doubles and reorders, and a home that dies")
    .option("--states <n>", "how many states to look at", states, 1_200_000)
    .option("--planted", "break the protocol in each of the known ways instead, and demand that it be found")
    .option("--json", "print JSON")
    .action((flags: Flags) => {
      process.exitCode = flags.planted === true ? planted(flags.json === true) : search(flags.states, flags.json === true)
    })
}

interface StoreFlags {
  readonly seeds?: number
  readonly from: number
  readonly planted?: true
  readonly bug?: string
  readonly pairs?: true
  readonly jobs?: number
}

interface GuestFlags {
  readonly kernel: string
  readonly disk?: string
  readonly cpus: number
  readonly nodes: number
  readonly memory: number
  readonly seed: number
  readonly maxCycles: number
  readonly killEvery?: number
  readonly hold?: number
  readonly rest?: number
  readonly farAmos?: true
  readonly live?: true
  readonly json?: true
}

function registerGuest(check: Command): void {
  const steps: { readonly kind: "expect" | "type"; readonly text: string }[] = []
  const step = (kind: "expect" | "type") => (text: string) => {
    steps.push({ kind, text })
  }
  check
    .command("guest")
    .description(
      "boot one guest with its harts on several nodes in one memory, in simulation or over NATS; ends with 0 when all steps are done, or as the guest ends",
    )
    .requiredOption("--kernel <file>", "the guest's image")
    .option("--disk <file>", "image of a virtio disk; what is written goes nowhere")
    .option("--cpus <n>", "harts; hart h lies on node h modulo the number of nodes", count, 2)
    .option("--nodes <n>", "nodes", count, 2)
    .addOption(sizeOption("--memory <bytes>", "RAM", 16 * 2 ** 20))
    .option("--expect <text>", "wait until the guest has written this (again and again, in order with --type)", step("expect"))
    .option("--type <text>", "type this and a line break", step("type"))
    .option("--seed <n>", "how long messages take is drawn from it", count, 1)
    .option("--max-cycles <n>", "give up after so many cycles", count, 100_000_000_000)
    .option("--kill-every <cycles>", "kill the memory controller again and again", count)
    .option("--hold <cycles>", "how long a node keeps a page that has come, while its harts get on (0: for one instruction)", patience)
    .option("--rest <cycles>", "how long a hart that only goes round rests at most (0: never)", patience)
    .option("--far-amos", "AMOs on pages that are taken again and again are done where the page lies")
    .option("--live", "over a nats-server of its own, each node and the memory controller a process; a cycle is a nanosecond")
    .option("--json", "print JSON")
    .action(async ({ memory: memoryBytes, maxCycles: cyclesMax, killEvery: killEveryCycles, json, ...flags }: GuestFlags) => {
      const { kernel, disk, cpus, nodes, seed, live, hold, rest, farAmos } = flags
      const giveWay = { holdCycles: hold, restCycles: rest, farOperations: farAmos }
      const request = {
        kernel,
        disk,
        cpus,
        nodes,
        seed,
        memoryBytes,
        cyclesMax,
        killEveryCycles,
        giveWay,
        steps,
        json: json === true,
        live,
      }
      const [script, ...args] = ["apps/simulator/src/main.ts", "shared-guest", JSON.stringify(request)] as const
      process.exitCode =
        live === true ? await passThrough("tools/stack/src/with-nats-server.ts", [script, ...args]) : await passThrough(script, args)
    })
}

function search(statesMax: number, json: boolean): number {
  const report = checkCoherence(statesMax, ({ scope, states: seen, transitions, depth, complete, progressRuns }) => {
    if (json) return
    const what = complete ? "all states" : "states"
    console.log(`${scope}: ${seen} ${what}, ${transitions} transitions, ${depth} steps deep, ${progressRuns} runs to the end`)
  })
  if (json) console.log(JSON.stringify(report))
  else if (report.violation?.violation) console.log([report.violation.violation.what, ...report.violation.violation.way].join("\n  "))
  else console.log(`${report.states} states, no violation`)
  return report.violation === null ? 0 : 1
}

function planted(json: boolean): number {
  const reports = checkPlanted(({ bug, found }) => {
    if (!json)
      console.log(found === null ? `NOT FOUND  ${bug}` : `found  ${bug}\n         ${found.scope}, ${found.steps} steps: ${found.what}`)
  })
  const missed = reports.filter(({ found }) => found === null).length
  if (json) console.log(JSON.stringify({ planted: reports.length, missed, reports }))
  else console.log(`${reports.length - missed} of ${reports.length} planted bugs found`)
  return missed === 0 ? 0 : 1
}
