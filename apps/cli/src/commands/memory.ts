/** `backplane memory map | stats | migrate | replicate | rules | run | harts | stop`: memory that the nodes of a running machine share. */
import { SHARED_PROGRAMS, sharedProgram, sharedProgramPages, type SharedProgram } from "@backplane/compute-riscv/shared-programs"
import type { PagePlacement, SpaceAnswer, SpaceRules } from "@backplane/memory-contract/memory-operator-messages"
import { Option, type Command } from "commander"
import { mustBeThere } from "../ask-hypervisor.ts"
import { passThrough } from "../checkout.ts"
import { CommandFailure } from "../failure.ts"
import { readFile } from "../guest-file.ts"
import { MemoryClient } from "../memory-client.ts"
import {
  checkNodes,
  checkSize,
  memoryNode,
  memoryNodes,
  pageNumber,
  placement,
  spaceName,
  spacePages,
  wholeNumber,
  wholeNumbers,
} from "../memory-flags.ts"
import { hartLine, mapText, pageLine, statsText, type MemoryView } from "../memory-text.ts"
import { count, listOption } from "../number-flags.ts"
import { onRunningStack } from "../running-stack.ts"

interface Common {
  readonly machine: string
  readonly json?: true
}

interface RulesFlags extends Common {
  readonly placement: PagePlacement
  readonly migrate?: true
  readonly replicate?: true
  readonly follow?: true
  readonly hot: number
  readonly share?: true
  readonly limit?: number
}

interface RunFlags extends RulesFlags {
  readonly harts: readonly number[]
  readonly pages: number
  readonly rounds: number
  readonly copies: number
  readonly image?: string
  readonly frames: number
  readonly swap: number
  readonly sim?: true
  readonly seed: number
}

/** What is asked of every machine. */
function common(command: Command): Command {
  return command.option("--machine <name>", "which machine", "demo").option("--json", "print JSON")
}

/** How pages of a space are placed and moved. */
function ruled(command: Command): Command {
  return common(command)
    .addOption(
      new Option("--placement <where>", "first-touch, interleave, local:<node>, bind:<node>,<node>…")
        .argParser(placement)
        .default({ kind: "first-touch" }, "first-touch"),
    )
    .option("--migrate", "a page that one node misses on most goes there")
    .option("--replicate", "a page that is read, or nearly, is copied to the nodes that read it")
    .option("--follow", "a node's hottest pages go along when the last task of this memory that ran there moves")
    .option("--hot <misses>", "in an interval, from which a page is hot", count, 8)
    .option("--share", "pages that are equal to others share one frame (needs a machine with a page store)")
    .option("--limit <frames>", "that the space may have; the rest of its pages lies in the page store", count)
}

export function register(program: Command): void {
  const memory = program.command("memory").description("memory that the nodes of a running machine share")
  common(
    memory
      .command("map")
      .description("frames of the nodes and of their VMs; with a space, where each of its pages lies")
      .argument("[space]", "its name", spaceName),
  ).action((space: string | undefined, flags: Common, command: Command) =>
    withMemory(command, flags, async (client) => print(flags, await viewOf(client, space), mapText)),
  )
  common(memory.command("stats").description("misses by node, local and remote; moves, refusals, losses; pages that VMs share")).action(
    (flags: Common, command: Command) => withMemory(command, flags, async (client) => print(flags, await viewOf(client), statsText)),
  )
  common(
    memory
      .command("migrate")
      .description("have the frame of a page lie on another node")
      .argument("<space>", "its name", spaceName)
      .argument("<page>", "its number", pageNumber)
      .argument("<node>", "where to", memoryNode),
  ).action((space: string, page: number, to: number, flags: Common, command: Command) =>
    withMemory(command, flags, async (client) =>
      print(flags, await client.homeOf({ kind: "MemoryMoveAsk", space, page, to }), ({ pages, nodes }) =>
        pages.map((each) => pageLine(each, nodes.length)).join("\n"),
      ),
    ),
  )
  common(
    memory
      .command("replicate")
      .description("have nodes fetch a readable copy")
      .argument("<space>", "its name", spaceName)
      .argument("<page>", "its number", pageNumber)
      .argument("<nodes>", "such as 0,1", memoryNodes),
  ).action((space: string, page: number, on: readonly number[], flags: Common, command: Command) =>
    withMemory(command, flags, async (client) =>
      // They fetch it after the answer: what is printed is as it was then.
      print(flags, await client.homeOf({ kind: "MemoryReplicateAsk", space, page, on }), ({ pages, nodes }) =>
        [
          ...pages.map((each) => pageLine(each, nodes.length)),
          `asked to fetch a copy: nodes ${on.join(", ")}; \`backplane memory map ${space}\` shows who has one`,
        ].join("\n"),
      ),
    ),
  )
  ruled(
    memory
      .command("rules")
      .description("how the pages of a space are placed and moved from now on")
      .argument("<space>", "its name", spaceName),
  ).action((space: string, flags: RulesFlags, command: Command) =>
    withMemory(command, flags, async (client) => {
      checkNodes(await client.map(space), flags)
      await client.everyController({ kind: "SpaceRulesAsk", space, rules: rulesOf(flags) })
      print(flags, await viewOf(client, space), mapText)
    }),
  )
  registerRun(memory)
  registerEnds(memory)
}

/** What the harts of a space are at, and its end. */
function registerEnds(memory: Command): void {
  common(memory.command("harts").description("what the harts of a shared memory are at").argument("<space>", "its name", spaceName)).action(
    (space: string, flags: Common, command: Command) =>
      withMemory(command, flags, async (client) => {
        const harts: SpaceAnswer["harts"] = []
        for (const { node, dead } of (await client.map(space)).nodes)
          if (!dead) harts.push(...(await client.node(node, { kind: "SpaceAsk", space })).harts)
        harts.sort((a, b) => a.hart - b.hart)
        print(flags, harts, () => harts.map(hartLine).join("\n"))
      }),
  )
  common(memory.command("stop").description("end a shared memory and its harts").argument("<space>", "its name", spaceName)).action(
    (space: string, flags: Common, command: Command) =>
      withMemory(command, flags, async (client) => {
        const { nodes } = await client.map()
        if (!(await isKnown(client, space, nodes)))
          throw new CommandFailure("not-found", `there is no space ${space}; \`memory map\` lists them`)
        for (const { node, dead } of nodes) if (!dead) await client.node(node, { kind: "SpaceClose", space })
        print(flags, (await client.everyController({ kind: "SpaceClose", space }))[0], () => `${space} is gone`)
      }),
  )
}

/** To a node that has part in it, or to a memory controller: a stop that broke off has ended it at some only. */
async function isKnown(
  client: MemoryClient,
  space: string,
  nodes: readonly { readonly node: number; readonly dead: boolean }[],
): Promise<boolean> {
  const has = (asked: Promise<unknown>): Promise<boolean> =>
    asked.then(
      () => true,
      (error: unknown) => {
        if (error instanceof CommandFailure && error.kind === "refused") return false
        throw error
      },
    )
  for (const { node, dead } of nodes) if (!dead && (await has(client.node(node, { kind: "SpaceAsk", space })))) return true
  return has(client.map(space))
}

function registerRun(memory: Command): void {
  ruled(
    memory
      .command("run")
      .summary("harts of several nodes in one memory, with a program of ours or yours")
      .description(
        `harts of several nodes in one memory: ${Object.entries(SHARED_PROGRAMS)
          .map(([name, what]) => `${name} (${what})`)
          .join("; ")}`,
      )
      .argument("<space>", "its name", spaceName),
  )
    .addOption(new Option("--program <program>", "what they do").choices(Object.keys(SHARED_PROGRAMS)).default("own"))
    .option("--image <file>", "flat RV64 code instead, at the start of the memory; an ecall ends a hart")
    .addOption(listOption("--harts <nodes>", "the node of each hart", { parse: wholeNumbers, default: [0, 1] }))
    .option("--pages <n>", "that a hart goes over; with --image, of the memory", spacePages, 8)
    .option("--rounds <n>", "how often", count, 10_000)
    .option("--copies <n>", "of pages of other nodes that a node keeps; 0: any", wholeNumber, 4)
    .option("--frames <n>", "with --sim: of each node", count, 4096)
    .option("--swap <n>", "with --sim: pages of the page store; 0: there is none", wholeNumber, 0)
    .option("--sim", "in simulation, to the end, instead of on the running machine")
    .option("--seed <n>", "of the simulation", count, 1)
    .action(async (space: string, flags: RunFlags & { readonly program: SharedProgram }, command: Command) => {
      const { program, harts, pages, rounds, copies: copiesMax, image } = flags
      const rules = rulesOf(flags)
      if (flags.sim === true) {
        const request = {
          space,
          program,
          pages,
          rounds,
          harts,
          copiesMax,
          rules,
          seed: flags.seed,
          frames: flags.frames,
          swap: flags.swap,
          json: flags.json === true,
        }
        process.exitCode = await passThrough("apps/simulator/src/main.ts", ["spaces", JSON.stringify(request)])
        return
      }
      const code = image === undefined ? sharedProgram(program, { pages, rounds }) : readFile(image, "--image")
      const all = image === undefined ? sharedProgramPages(program, { pages, harts: harts.length }) : pages
      checkSize({ pages: all, harts })
      await withMemory(command, flags, async (client) => {
        checkNodes(await client.map(), flags)
        if (givesRules(command)) await client.everyController({ kind: "SpaceRulesAsk", space, rules })
        const open = { kind: "SpaceOpen", space, pages: all, program: Buffer.from(code).toString("base64"), harts, copiesMax }
        // Every node has part in it: any may be given a frame.
        for (const { node, dead } of (await client.map()).nodes) if (!dead) await client.node(node, open)
        print(flags, { space, harts, pages: all }, () => `${space} runs: \`backplane memory map ${space}\` shows where its pages lie`)
      })
    })
}

const RULE_FLAGS = ["placement", "migrate", "replicate", "follow", "hot", "share", "limit"] as const satisfies readonly (keyof RulesFlags)[]

/** Without one of them the space keeps the rules that it has: an operator's, or the scenario's. */
function givesRules(command: Command): boolean {
  return RULE_FLAGS.some((flag) => command.getOptionValueSource(flag) === "cli")
}

function rulesOf({ placement: where, migrate, replicate, follow, hot, share, limit }: RulesFlags): SpaceRules {
  return {
    placement: where,
    byToucher: [],
    migrate: migrate === true,
    ...(follow === true && { follow }),
    replicate: replicate === true,
    hotMisses: hot,
    ...(share === true && { share }),
    ...(limit !== undefined && { framesMax: limit }),
  }
}

async function viewOf(client: MemoryClient, space?: string): Promise<MemoryView> {
  const answer = await client.map(space)
  return { ...answer, vms: space === undefined ? await client.vmMemory(answer.nodes) : [] }
}

function print<Answer>(flags: Common, answer: Answer, text: (answer: Answer) => string): void {
  console.log(flags.json === true ? JSON.stringify(answer) : text(answer))
}

async function withMemory(command: Command, { machine }: Common, use: (client: MemoryClient) => Promise<void>): Promise<void> {
  await onRunningStack(command, async (client) => {
    await mustBeThere(client, machine)
    await use(new MemoryClient(client, machine))
  })
}
