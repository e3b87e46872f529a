/** A system call with and without a VMM: table B.3 of OSTEP's appendix, counted. */
import { ledgerOf } from "../ledger-report.ts"
import type { Lesson } from "../lesson.ts"

const CALLS = 200
const KERNEL = "tools/guests/images/kernel.bin"
const GUEST = ["--kernel", KERNEL, "--memory", "16M", "--append", `run=syscalls ${CALLS}`]

export const systemCall: Lesson = {
  name: "system-call",
  title: "What does a system call cost in a virtual machine?",
  chapter: "OSTEP B.3, tables B.2 and B.3; Popek and Goldberg 1974",
  minutes: 7,
  text: [
    "Alone on a machine, a system call is one trap: the process traps, the operating system handles it, one instruction returns. The hardware does the rest.",
    "In a virtual machine the operating system runs deprivileged, at the level of its own processes. Whatever only a kernel may do traps once more, into the virtual machine monitor, which does it on the guest's behalf.",
    `Here a small kernel makes ${CALLS} null calls, unmodified, under trap and emulate.`,
  ],
  question: "How often does one null system call enter the VMM?",
  choices: [
    "once: the VMM forwards the trap, the rest runs by itself",
    "twice: for the call and for the return",
    "about ten times: each privileged instruction of the handler traps as well",
  ],
  async run(commands) {
    const trap = ledgerOf(await commands.json(["ledger", ...GUEST, "--mode", "trap"]))
    const assist = ledgerOf(await commands.json(["ledger", ...GUEST, "--mode", "assist"]))
    const { steps, calls, exitsPerCall } = trap.tables["B.3"]
    const [entered = 0, inside = 0, returned = 0] = [2, 3, 4].map((step) => steps.find((each) => each.step === step)?.exits ?? 0)
    const perCall = exitsPerCall.fewest
    return {
      answer: perCall === 1 ? 0 : perCall === 2 ? 1 : perCall > 5 ? 2 : null,
      table: {
        head: ["step of table B.3", "exits in all", "for each call"],
        rows: steps.map(({ step, who, text, exits }) => [
          `${step}. ${who}: ${text}`,
          exits === null || exits === undefined ? "-" : String(exits),
          exits === null || exits === undefined ? "-" : (exits / calls).toFixed(1),
        ]),
      },
      explanation: [
        "Steps 2 and 4 are the ones of the book: the call is forwarded to the guest's handler, and its return is done for it. Step 3 is what the book does not count: the handler reads why it was called, saves and sets its status, and each of these instructions traps too.",
        `Hardware for virtualisation keeps a virtual copy of that state where the guest may touch it. Its stand-in here is the mode assist: the same ${CALLS} calls leave the guest ${assist.tables["B.3"].exitsPerCall.fewest} times each.`,
      ],
      claims: [
        { text: "each call is forwarded once", measured: `${entered} for ${calls} calls`, holds: entered === calls },
        { text: "each return is done once", measured: `${returned} for ${calls} calls`, holds: returned === calls },
        {
          text: "most exits are the handler's own",
          measured: `${inside} of ${entered + inside + returned}`,
          holds: inside > entered + returned,
        },
        {
          text: "with assistance a null call does not leave the guest",
          measured: `${assist.tables["B.3"].exitsPerCall.fewest} exits`,
          holds: assist.tables["B.3"].exitsPerCall.fewest === 0,
        },
      ],
      picture: null,
      trace: "npx backplane trace last trap",
    }
  },
}
