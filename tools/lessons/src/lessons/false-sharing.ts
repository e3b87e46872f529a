/** False sharing: counters that nobody shares, in one cache line. */
import { falseSharing as figure } from "@backplane/figures/lock-figures"
import { figureLesson, times } from "../figure-lesson.ts"

export const falseSharing = figureLesson({
  name: "false-sharing",
  title: "Four CPUs count, each for itself. What can go wrong?",
  chapter: "OSTEP 10.1 and 10.2, “Cache coherence”",
  minutes: 5,
  bench: "locks",
  text: [
    "Each CPU adds to a counter of its own. No two CPUs ever touch the same word; there are no locks. In one run the four counters lie side by side, in another each has a cache line of its own.",
    "Caches keep lines, not words; a CPU that writes a line takes it from all others.",
  ],
  question: "How much slower are the counters that lie side by side?",
  choices: ["not at all: nothing is shared", "a quarter or so", "several times"],
  figure: () => figure("short"),
  conclude: (value) => {
    const slower = value("together_4") / value("apart_4")
    return {
      answer: slower > 3 ? 2 : slower > 1.1 ? 1 : 0,
      explanation: [
        "The line goes round: each addition first has to fetch it from the CPU that wrote last. Alone, the same program is as fast either way.",
        "Between nodes the line has farther to go. A bus that tells the others the new value, instead of taking the line from them, does better here, and worse where nobody looks.",
      ],
      claims: [
        {
          text: "alone it makes no difference",
          measured: `${value("together_1")} and ${value("apart_1")} cycles`,
          holds: value("together_1") === value("apart_1"),
        },
        { text: "four on one line are several times slower", measured: times(slower), holds: slower > 3 },
        {
          text: "over two nodes it is worse still",
          measured: times(value("two_nodes_4") / value("together_4")),
          holds: value("two_nodes_4") > value("together_4"),
        },
      ],
    }
  },
})
