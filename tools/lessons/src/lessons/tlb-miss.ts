/** A TLB miss in the steps of OSTEP's table B.5: a guest that fills its own TLB, without a VMM, under one, and under one that remembers. */
import { ledgerOf } from "../ledger-report.ts"
import type { Lesson } from "../lesson.ts"

const GUEST = ["--kernel", "tools/guests/images/kernel-softtlb.bin", "--memory", "16M", "--append", "run=walk 100"]

export const tlbMiss: Lesson = {
  name: "tlb-miss",
  title: "How many traps is a TLB miss?",
  chapter: "OSTEP B.3, tables B.4 and B.5; Disco 4.2",
  minutes: 7,
  text: [
    "On a machine whose operating system fills the TLB, a miss is a trap: the handler looks the page up, writes an entry, returns, and the access is tried again. One trap.",
    "In a virtual machine the handler runs deprivileged, and writing the TLB is a privilege. The monitor must put the machine's frame number in the place of the one that the guest believes in.",
  ],
  question: "How often does the guest leave for the monitor in one TLB miss?",
  choices: ["once", "three times", "seven times: as many as table B.5 has steps"],
  async run(commands) {
    const plain = ledgerOf(await commands.json(["ledger", ...GUEST, "--mode", "trap", "--mmu", "softtlb"]))
    const second = ledgerOf(await commands.json(["ledger", ...GUEST, "--mode", "trap", "--mmu", "softtlb,l2"]))
    const seen = plain.tables["B.5"].observed
    const remembering = second.tables["B.5"].observed
    if (seen === null || remembering === null) throw new Error("the ledger saw no TLB miss")
    return {
      answer: seen.fewest === 3 && seen.most === 3 ? 1 : seen.fewest === 1 ? 0 : null,
      table: {
        head: ["step of table B.5", "exits in all"],
        rows: plain.tables["B.5"].steps.map(({ step, who, text, exits }) => [
          `${step}. ${who}: ${text}`,
          exits === null || exits === undefined ? "-" : String(exits),
        ]),
      },
      explanation: [
        "Steps 2, 4 and 6 are the monitor's: it forwards the miss, it makes the entry in the guest's stead, it does the return.",
        `A monitor can remember every entry that the guest ever made in a second, larger table of its own: then it answers most misses by itself, with one exit and without the guest. Here it answered ${remembering.remembered} so, and the guest had to see ${remembering.misses} misses in place of ${seen.misses}.`,
      ],
      claims: [
        {
          text: "every miss that the guest sees takes three exits",
          measured: `${seen.fewest} to ${seen.most}`,
          holds: seen.fewest === 3 && seen.most === 3,
        },
        {
          text: "forwarded, entered and returned as often as there were misses",
          measured: `${seen.entered}, ${seen.updated}, ${seen.returned} of ${seen.misses}`,
          holds: seen.entered === seen.misses && seen.updated === seen.misses && seen.returned === seen.misses,
        },
        {
          text: "a second level in the monitor takes most of them from the guest",
          measured: `${remembering.misses} in place of ${seen.misses}`,
          holds: 2 * remembering.misses < seen.misses && remembering.remembered > 0,
        },
      ],
      picture: null,
      trace: null,
    }
  },
}
