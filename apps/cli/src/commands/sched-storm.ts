/** `backplane sched storm`: swap after swap, schedulers killed in the middle; in the simulator, or with `--live` over NATS. */
import type { Command } from "commander"
import { passThrough } from "../checkout.ts"
import { bad } from "../failure.ts"
import { liveStorm, SERVICE_COMMAND } from "../live-storm.ts"
import { stormLine, stormVerdict } from "../live-storm-text.ts"
import { count } from "../number-flags.ts"
import { homeOf } from "../running-stack.ts"

interface StormFlags {
  readonly swaps: number
  readonly every: number
  readonly killEvery?: number
  readonly from: number
  readonly live?: true
  readonly machines?: number
  readonly perMachine?: number
  readonly sliceMs?: number
  readonly cpus?: number
  readonly minutes?: number
  readonly service?: string | false
  readonly json?: true
}

/**
 * Defaults of what only a live storm knows. A machine makes its swaps one after the other, so few each, and many machines. The slice is that
 * of the machine of `npm start`.
 */
const LIVE = { machines: 4, cpus: 4, perMachineMost: 25, sliceMs: 100, killEvery: 10 } as const
const SIMULATED_KILL_EVERY = 5
/** A stack has 64 at most, and others may have some. */
const MACHINES_MOST = 60

export function registerStorm(sched: Command): void {
  sched
    .command("storm")
    .description("swap after swap through all policies, with schedulers killed in the middle; in the simulator, or over NATS")
    .option("--swaps <n>", "how many", count, 1000)
    .option("--every <slices>", "slices between two", count, 50)
    .option("--kill-every <n>", "one swap in so many loses a scheduler; 0: none; default: 5, live 10", whole)
    .option("--from <seed>", "first seed", whole, 1)
    .option("--live", "over NATS: on the running stack, else on one of its own")
    .option("--machines <n>", `live: so many at a time, at most ${MACHINES_MOST}; default: ${LIVE.machines}`, count)
    .option("--per-machine <n>", `live: swaps of one machine; default: ${LIVE.perMachineMost} at most`, count)
    .option("--slice-ms <n>", `live: how long a slice is; default: ${LIVE.sliceMs}`, count)
    .option("--cpus <n>", `live: CPUs of a machine, over two nodes; default: ${LIVE.cpus}`, count)
    .option("--minutes <n>", "live: begin no machine after so long; those under way end", count)
    .option("--service <command>", `live: the scheduler program that takes its turn; default: ${SERVICE_COMMAND}`)
    .option("--no-service", "live: only policies of ours")
    .option("--json", "print JSON")
    .action(async (flags: StormFlags, command: Command) => {
      const home = homeOf(command)
      process.exitCode = await (flags.live === true ? stormLive(flags, home) : stormInSimulator(flags))
    })
}

function whole(text: string): number {
  return text === "0" ? 0 : count(text)
}

function stormInSimulator({ swaps, every, from, killEvery = SIMULATED_KILL_EVERY, json, ...live }: StormFlags): Promise<number> {
  const misplaced = Object.entries(live).find(([, value]) => value !== undefined)
  const flag = misplaced?.[0].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  if (flag !== undefined) throw bad(`--${flag}`, "only with --live; leave it out, or add that")
  const numbers = ["--swaps", swaps, "--every", every, "--kill-every", killEvery, "--from", from].map(String)
  return passThrough("apps/simulator/src/main.ts", ["storm", ...numbers, ...(json === true ? ["--json"] : [])])
}

async function stormLive(flags: StormFlags, home: string): Promise<number> {
  const { swaps, every, from, json, minutes = null, service = SERVICE_COMMAND } = flags
  const { killEvery = LIVE.killEvery, machines = LIVE.machines, sliceMs = LIVE.sliceMs, cpus = LIVE.cpus } = flags
  if (machines > MACHINES_MOST) throw bad("--machines", `a stack has not ${machines}; give at most ${MACHINES_MOST}`)
  const { perMachine = Math.min(LIVE.perMachineMost, Math.ceil(swaps / machines)) } = flags
  if (json !== true) console.error(`backplane: ${estimate({ swaps, every, machines, perMachine, sliceMs })}`)
  const report = await liveStorm({
    home,
    drawn: { swaps, everySlices: every, from, perMachine, sliceMilliseconds: sliceMs, cpus },
    machines,
    killEvery,
    minutes,
    service: service === false ? null : service,
    onMachine: (machine) => json !== true && console.log(stormLine(machine)),
  })
  console.log(json === true ? JSON.stringify(report) : stormVerdict(report))
  return report.good ? 0 : 1
}

/** It is the slices that take the time: a machine makes one swap in `every` of them. */
function estimate(drawn: Readonly<Record<"swaps" | "every" | "machines" | "perMachine" | "sliceMs", number>>): string {
  const { swaps, every, machines, perMachine, sliceMs } = drawn
  const count = Math.ceil(swaps / perMachine)
  const seconds = Math.ceil(count / machines) * ((perMachine * every * sliceMs) / 1000)
  const what = `${count} machines of ${perMachine} swaps, ${Math.min(count, machines)} at a time, a swap every ${(every * sliceMs) / 1000} s`
  return `${what}: at least ${Math.ceil(seconds)} s, and a half more until their work is done`
}
