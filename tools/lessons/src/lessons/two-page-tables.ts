/** Two levels of page tables: shadow tables that the monitor keeps, and hardware that walks both. */
import { exitsOf, ledgerOf } from "../ledger-report.ts"
import type { Lesson } from "../lesson.ts"

const GUEST = ["--kernel", "tools/guests/images/kernel.bin", "--memory", "16M", "--mode", "assist", "--append", "run=forks 8; walk 64"]
const OF_SHADOWS = ["shadow-load", "shadow-store", "shadow-fetch", "table-write"]

export const twoPageTables: Lesson = {
  name: "two-page-tables",
  title: "Who keeps the second level of page tables?",
  chapter: "OSTEP B.3, “Virtualizing memory”; Bugnion and others, Disco 4.2",
  minutes: 6,
  text: [
    "A guest's page tables lead from virtual to what it believes to be physical memory. A second map, the monitor's, leads from there to the machine's frames. Hardware that walks one set of tables needs them composed: shadow tables, which the monitor fills one fault at a time.",
    "Hardware with nested paging walks both itself.",
    "The same guest forks eight processes, and one walks over its pages.",
  ],
  question: "What does nested paging save of the exits that memory causes?",
  choices: [
    "nothing: each page must be entered once all the same",
    "about half",
    "nearly all of them: what is left is the first touch of each frame",
  ],
  async run(commands) {
    const shadow = ledgerOf(await commands.json(["ledger", ...GUEST, "--mmu", "shadow"]))
    const nested = ledgerOf(await commands.json(["ledger", ...GUEST, "--mmu", "nested"]))
    const filled = OF_SHADOWS.reduce((sum, cause) => sum + exitsOf(shadow, cause), 0)
    const touched = exitsOf(nested, "first-touch")
    const saved = 1 - touched / filled
    return {
      answer: saved > 0.8 ? 2 : saved > 0.35 && saved < 0.65 ? 1 : saved < 0.1 ? 0 : null,
      table: {
        head: ["cause", "shadow", "nested"],
        rows: [...OF_SHADOWS, "first-touch", "fence"].map((cause) => [
          cause,
          String(exitsOf(shadow, cause)),
          String(exitsOf(nested, cause)),
        ]),
      },
      explanation: [
        "Shadow tables are a cache of the composition: each address space has its own, each page of it is entered by a fault, and each change that the guest makes to its own tables must be noticed.",
        "The second map hardly ever changes. With nested paging the guest may do with its own tables what it likes; the monitor hears only of frames that were never there.",
        "What hardware pays for it is a longer walk on a TLB miss: both levels at each step.",
      ],
      claims: [
        {
          text: "nested paging fills no shadows",
          measured: OF_SHADOWS.map((cause) => exitsOf(nested, cause)).join(" "),
          holds: OF_SHADOWS.every((cause) => exitsOf(nested, cause) === 0),
        },
        {
          text: "it leaves less than a fifth of the exits that memory caused",
          measured: `${touched} of ${filled}`,
          holds: 5 * touched < filled,
        },
        {
          text: "the guest did the same",
          measured: `${shadow.instructions} and ${nested.instructions} instructions`,
          holds: shadow.instructions === nested.instructions,
        },
      ],
      picture: null,
      trace: null,
    }
  },
}
