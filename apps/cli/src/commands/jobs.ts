/** `backplane jobs`: OSTEP chapter 10's multiprocessor, as a machine of nodes, schedulers and a hypervisor. */
import { POLICY_NAMES } from "@backplane/scenario-machine/machine-spec"
import type { Command } from "commander"
import { CommandFailure } from "../failure.ts"
import { specOf, type JobFlags } from "../job-flags.ts"
import { runInSimulator, runLive, unwrap } from "../machine-run.ts"
import { fileToWrite } from "../output-file.ts"
import { printRun } from "../run-report.ts"
import { homeOf } from "../running-stack.ts"

interface Flags extends JobFlags {
  readonly sim?: true
  readonly live?: true
  readonly json?: true
  readonly svg?: string
  readonly perfetto?: string
}

export function register(program: Command): void {
  program
    .command("jobs")
    .description("run jobs with working sets on CPUs with caches (OSTEP chapter 10), simulated or live over NATS with the same result")
    .option("--cpus <n>", "CPUs", "2")
    .option("--nodes <n>", "NUMA nodes that the CPUs are spread over", "1")
    .option("--list <jobs>", "name:runtime:workingset, … as a:100:100,b:100:50; without it jobs are drawn")
    .option("--per-cpu-queues", "one queue a CPU (MQMS) instead of one for all (SQMS)")
    .option("--policy <name>", `${POLICY_NAMES.join(", ")}; default: by the other flags`)
    .option("--peek <ticks>", "with queues per CPU: ticks between looks into other queues; 0: never", "30")
    .option("--slice <ticks>", "time slice", "10")
    .option("--cache <size>", "capacity of each CPU's cache", "100")
    .option("--warmup <ticks>", "ticks until a working set is in the cache", "10")
    .option("--warm-rate <n>", "work a tick with a warm cache", "2")
    .option("--affinity <list>", "CPUs that jobs may use, as a:0.1,b:1")
    .option("--random-order", "fill the CPUs in a fresh random order each tick")
    .option("--seed <n>", "of everything random", "0")
    .option("--job-count <n>", "jobs to draw", "3")
    .option("--max-run <n>", "longest run time drawn", "100")
    .option("--max-wset <n>", "largest working set drawn", "200")
    .option("--compat <model>", "ostep: bit-exact with the chapter's model, quirks and random draws included")
    .option("--max-ticks <n>", "give up after so many ticks")
    .option("--restartable", "jobs that are lost with a node begin again")
    .option("--sim", "in the simulator (default)")
    .option("--live", "over NATS: on the running stack, else on one of its own")
    .option("--svg <file>", "also write a picture of the schedule", fileToWrite)
    .option("--perfetto <file>", "also write the schedule for ui.perfetto.dev (.json or .pftrace)", fileToWrite)
    .option("--json", "print JSON")
    .action((flags: Flags, command: Command) => runJobs(flags, homeOf(command)))
}

async function runJobs(flags: Flags, home: string): Promise<void> {
  if (flags.sim === true && flags.live === true) throw new CommandFailure("bad-input", "--sim and --live exclude each other: give one")
  const spec = specOf(flags)
  const output = flags.live === true ? await runLive(spec, home) : await runInSimulator(spec)
  await printRun({ spec, result: unwrap(output), bus: flags.live === true ? "nats" : "sim" }, flags)
}
