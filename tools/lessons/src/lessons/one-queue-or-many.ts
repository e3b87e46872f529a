/** SQMS against MQMS: one run queue keeps CPUs busy and caches cold; one a CPU does the reverse. */
import type { Lesson } from "../lesson.ts"
import { busy, jobReport, percent, warm } from "../job-report.ts"

const MACHINE = ["jobs", "--cpus", "2", "--list", "a:100:100,b:100:50,c:100:50"]

export const oneQueueOrMany: Lesson = {
  name: "one-queue-or-many",
  title: "One run queue for all CPUs, or one for each?",
  chapter: "OSTEP 10.4 and 10.5",
  minutes: 5,
  text: [
    "Two CPUs run three jobs of 100 units each. A CPU whose cache holds the working set of its job does two units a tick, a cold one does one. It takes 10 ticks on one CPU to warm a cache up.",
    "With a single queue (SQMS) a CPU takes whichever job comes next, every 10 ticks. With a queue for each CPU (MQMS) a job stays where it was put.",
  ],
  question: "Three jobs, two CPUs. Which finishes all of them sooner, when no job is ever moved between the queues?",
  choices: ["the single queue: no CPU is ever idle", "a queue for each CPU: caches are warm", "both at the same tick"],
  draws: true,
  async run(commands) {
    const one = jobReport(await commands.json(MACHINE))
    const many = jobReport(await commands.json([...MACHINE, "--per-cpu-queues", "--peek", "0"]))
    const row = (name: string, report: typeof one): readonly string[] => [
      name,
      String(report.finish),
      percent(busy(report)),
      percent(warm(report)),
      String(report.migrations),
    ]
    return {
      answer: one.finish < many.finish ? 0 : many.finish < one.finish ? 1 : 2,
      table: { head: ["queues", "finished", "busy", "warm", "migrations"], rows: [row("one", one), row("one a CPU", many)] },
      explanation: [
        "The single queue wastes no tick, and every one of them is slow: with three jobs on two CPUs a job comes back to another CPU each time, and its cache never warms.",
        "With a queue each, the job alone on its CPU runs warm and is done early. Then that CPU idles, while the other one still turns two jobs over: load imbalance.",
      ],
      claims: [
        { text: "the single queue never leaves a CPU idle", measured: percent(busy(one)), holds: busy(one) === 100 },
        { text: "under the single queue no cache is ever warm", measured: percent(warm(one)), holds: warm(one) === 0 },
        {
          text: "with a queue for each CPU no job migrates, and a CPU is left idle",
          measured: `${many.migrations} migrations, ${percent(busy(many))} busy`,
          holds: many.migrations === 0 && busy(many) < 100,
        },
      ],
      picture: MACHINE,
      trace: "npx backplane sched swap sqms && npx backplane trace last migration",
    }
  },
}
