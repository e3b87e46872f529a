/** The idle loop and the information gap: a guest that waits, seen from within and from below. */
import type { Lesson } from "../lesson.ts"

const MILLISECONDS = 60
const KERNEL = "tools/guests/images/kernel.bin"

interface Boot {
  readonly instructions: number
  readonly exits: Readonly<Record<string, number>>
}

export const idleLoop: Lesson = {
  name: "idle-loop",
  title: "How busy is an idle operating system?",
  chapter: "OSTEP B.4, “The information gap”",
  minutes: 5,
  text: [
    `A kernel has one process, and it sleeps for ${MILLISECONDS} ms. There is nothing to do. One kernel waits for an interrupt; another looks again and again whether there is work, as old ones did.`,
    "To itself each is idle. The monitor below sees instructions, and does not know what they are for.",
  ],
  question: "How many times as many instructions does the polling kernel run?",
  choices: ["about as many: idle is idle", "two or three times as many", "more than a hundred times as many"],
  async run(commands) {
    const boot = async (idle: string): Promise<Boot> =>
      (await commands.json([
        "boot",
        "--kernel",
        KERNEL,
        "--memory",
        "16M",
        "--mode",
        "trap",
        "--append",
        `idle=${idle} run=idle ${MILLISECONDS}`,
      ])) as unknown as Boot
    const waits = await boot("wait")
    const polls = await boot("poll")
    const ratio = polls.instructions / waits.instructions
    const exits = (run: Boot): string => String(Object.values(run.exits).reduce((sum, count) => sum + count, 0))
    return {
      answer: ratio > 100 ? 2 : ratio >= 1.9 && ratio <= 3.5 ? 1 : ratio < 1.5 ? 0 : null,
      table: {
        head: ["idle loop", "instructions", "exits"],
        rows: [
          ["waits for an interrupt (idle=wait)", String(waits.instructions), exits(waits)],
          ["polls (idle=poll)", String(polls.instructions), exits(polls)],
        ],
      },
      explanation: [
        "An instruction that waits for an interrupt is privileged: it traps, and the monitor learns that it may give the CPU to another machine. The polling loop needs no privilege, so nothing traps and nobody below learns anything: the CPU is spent on watching a clock.",
        "What the guest knows and the monitor does not is the information gap. It is closed by a guest that says so (a hypercall), or by a monitor that guesses.",
      ],
      claims: [
        { text: "polling runs over a hundred times as many instructions", measured: `${ratio.toFixed(0)} times`, holds: ratio > 100 },
        { text: "waiting is an exit", measured: `${waits.exits["wait"] ?? 0} exits`, holds: (waits.exits["wait"] ?? 0) > 0 },
        { text: "polling is none", measured: `${polls.exits["wait"] ?? 0} exits`, holds: (polls.exits["wait"] ?? 0) === 0 },
      ],
      picture: null,
      trace: null,
    }
  },
}
