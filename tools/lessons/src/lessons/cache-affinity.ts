/** Cache affinity: the same jobs, told where to stay; and a machine whose caches together hold what one cannot. */
import type { Lesson } from "../lesson.ts"
import { jobReport, percent, warm } from "../job-report.ts"

const JOBS = ["--list", "a:100:100,b:100:100,c:100:100"]

export const cacheAffinity: Lesson = {
  name: "cache-affinity",
  title: "Can three CPUs be more than three times as fast as one?",
  chapter: "OSTEP 10.3, “Cache affinity”",
  minutes: 5,
  text: [
    "Three jobs, each with a working set as large as a whole cache. One CPU has to turn them over, and each pushes out what the one before it had warmed.",
    "On three CPUs each job can have a cache of its own, if it stays on its CPU.",
  ],
  question: "One CPU takes 300 ticks. How long do three CPUs take?",
  choices: ["150 ticks: half", "100 ticks: a third, three times the CPUs", "less than 100 ticks: more than three times as fast"],
  draws: true,
  async run(commands) {
    const finish = []
    for (const cpus of ["1", "2", "3"]) finish.push({ cpus, report: jobReport(await commands.json(["jobs", "--cpus", cpus, ...JOBS])) })
    const pinned = jobReport(
      await commands.json(["jobs", "--cpus", "2", "--list", "a:100:100,b:100:50,c:100:50", "--affinity", "a:0,b:1,c:1"]),
    )
    const free = jobReport(await commands.json(["jobs", "--cpus", "2", "--list", "a:100:100,b:100:50,c:100:50"]))
    const [one, , three] = finish.map(({ report }) => report)
    const last = three?.finish ?? 0
    const alone = one?.finish ?? 0
    return {
      answer: last < 100 ? 2 : last === 100 ? 1 : last === 150 ? 0 : null,
      table: {
        head: ["run", "finished", "speed-up", "warm"],
        rows: [
          ...finish.map(({ cpus, report }) => [
            `${cpus} CPU${cpus === "1" ? "" : "s"}`,
            String(report.finish),
            (alone / report.finish).toFixed(2),
            percent(warm(report)),
          ]),
          ["2 CPUs, one queue, jobs of the lessons before", String(free.finish), "1.00", percent(warm(free))],
          [
            "the same, told where to stay (--affinity)",
            String(pinned.finish),
            (free.finish / pinned.finish).toFixed(2),
            percent(warm(pinned)),
          ],
        ],
      },
      explanation: [
        "Three CPUs are three times the arithmetic and three times the cache: what did not fit now fits, so the speed-up is more than linear.",
        "Affinity gives the same to a single queue: the jobs of the earlier lessons end sooner when each is told its CPU.",
      ],
      claims: [
        {
          text: "three CPUs are more than three times as fast as one",
          measured: `${alone} against ${last}`,
          holds: alone > 3 * last,
        },
        {
          text: "affinity makes the single queue faster",
          measured: `${free.finish} against ${pinned.finish}`,
          holds: pinned.finish < free.finish,
        },
      ],
      picture: ["jobs", "--cpus", "3", ...JOBS],
      trace: null,
    }
  },
}
