/** Double zeroing: the monitor clears a page before a guest gets it, and the guest, which cannot know, clears it again. */
import { ledgerOf } from "../ledger-report.ts"
import type { Lesson } from "../lesson.ts"

const GUEST = ["--kernel", "tools/guests/images/kernel.bin", "--memory", "16M", "--append", "run=zero 64"]

export const doubleZeroing: Lesson = {
  name: "double-zeroing",
  title: "Who clears a page, and how often?",
  chapter: "OSTEP B.4, “The information gap”",
  minutes: 5,
  text: [
    "A page that changes hands must be cleared, or its last owner's secrets come along. An operating system clears each page that it gives to a process. The monitor clears each frame that it gives to a machine.",
    "Neither knows of the other. A guest that is told of its monitor can ask: is this page clear already?",
  ],
  question: "Of the pages that the kernel is about to clear, does it ever hear that one is clear already?",
  choices: ["never: by then it has used all of them", "for some: those that it touches for the first time", "always"],
  async run(commands) {
    const para = ledgerOf(await commands.json(["ledger", ...GUEST, "--mode", "para", "--mmu", "nested"]))
    const plain = ledgerOf(await commands.json(["ledger", ...GUEST, "--mode", "assist", "--mmu", "nested"]))
    const { zeroingAvoided, zeroed, calls } = para.hypercalls ?? { zeroingAvoided: 0, zeroed: 0, calls: {} }
    const asked = calls["zero-page"] ?? 0
    const fewer = plain.instructions - para.instructions
    return {
      answer: zeroingAvoided === 0 ? 0 : zeroingAvoided < asked ? 1 : 2,
      table: {
        head: ["", "pages"],
        rows: [
          ["the kernel was about to clear", String(asked)],
          ["were clear already (cleared once)", String(zeroingAvoided)],
          ["had been used and were cleared", String(zeroed)],
        ],
      },
      explanation: [
        "A frame that the guest never touched comes cleared from the monitor: to clear it again is wasted. The monitor keeps a mark at each frame, and answers.",
        `The guest that asks ran ${fewer} instructions less than the same guest without a monitor to ask.`,
        "A frame that comes back to the guest's own free list is not clear, and nobody but the guest could know: it is cleared once, too.",
      ],
      claims: [
        { text: "the monitor knew of clear pages", measured: String(zeroingAvoided), holds: zeroingAvoided > 0 },
        {
          text: "each page was cleared once or not at all",
          measured: `${zeroingAvoided} + ${zeroed} = ${asked}`,
          holds: zeroingAvoided + zeroed === asked,
        },
        {
          text: "who asks has less to do",
          measured: `${para.instructions} in place of ${plain.instructions} instructions`,
          holds: fewer > 0,
        },
      ],
      picture: null,
      trace: null,
    }
  },
}
