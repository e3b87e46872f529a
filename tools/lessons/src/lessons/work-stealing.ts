/** Work stealing and its black art: how often to look into another queue. */
import type { Lesson } from "../lesson.ts"
import { jobReport, percent, warm } from "../job-report.ts"

const MACHINE = ["jobs", "--cpus", "2", "--list", "a:100:100,b:100:50,c:100:50", "--per-cpu-queues", "--compat", "ostep"]
const PEEKS = ["0", "60", "25", "10", "5", "1"] as const

export const workStealing: Lesson = {
  name: "work-stealing",
  title: "How often should an idle CPU look for work elsewhere?",
  chapter: "OSTEP 10.5, “Load imbalance”",
  minutes: 7,
  text: [
    "The same three jobs on two CPUs, a queue each. Every `peek` ticks a CPU with an empty queue looks into another CPU's queue and takes a job from it.",
    "Peeking rarely leaves CPUs idle. Peeking often moves jobs, and a job that moves finds a cold cache. The chapter calls the right interval a black art.",
  ],
  question: "Of the intervals never, 60, 25, 10, 5 and 1 tick: which ends this run first?",
  choices: ["never: nothing disturbs the caches", "a long interval (60 or 25)", "a short interval (10, 5 or 1)"],
  draws: true,
  async run(commands) {
    const runs = []
    for (const peek of PEEKS) runs.push({ peek, report: jobReport(await commands.json([...MACHINE, "--peek", peek])) })
    const best = runs.reduce((least, run) => (run.report.finish < least.report.finish ? run : least))
    const never = runs[0]?.report.finish ?? 0
    const choice = { "0": 0, "60": 1, "25": 1, "10": 2, "5": 2, "1": 2 }[best.peek]
    return {
      answer: choice,
      table: {
        head: ["peek", "finished", "warm", "migrations"],
        rows: runs.map(({ peek, report }) => [
          peek === "0" ? "never" : peek,
          String(report.finish),
          percent(warm(report)),
          String(report.migrations),
        ]),
      },
      explanation: [
        "Stealing mends the imbalance: any interval beats none. Whether a shorter one beats a longer one depends on the jobs: a thief can take a queue's only job and leave its owner cold and idle.",
        "`npx backplane compare` does the same over 300 drawn sets of jobs, where looking every tick is worse than every fifth, and a thief that asks which job loses least by moving (`mqms-warm`) beats every interval.",
      ],
      claims: [
        {
          text: "any stealing ends sooner than none",
          measured: runs.map(({ report }) => report.finish).join(" "),
          holds: runs.slice(1).every(({ report }) => report.finish <= never) && best.report.finish < never,
        },
        {
          text: "the best interval makes the run at least twice as short as none",
          measured: `${never} against ${best.report.finish}`,
          holds: never >= 2 * best.report.finish,
        },
      ],
      picture: [...MACHINE, "--peek", "10"],
      trace: "npx backplane sched swap mqms-steal && npx backplane trace last steal",
    }
  },
}
