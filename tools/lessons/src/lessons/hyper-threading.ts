/** Hyper-threading: what a second thread of a core is worth depends on what the first one waits for. */
import { threads } from "@backplane/figures/core-figures"
import { figureLesson } from "../figure-lesson.ts"

export const hyperThreading = figureLesson({
  name: "hyper-threading",
  title: "Are two threads of one core two CPUs?",
  chapter: "The literature on simultaneous multithreading; OSTEP 10",
  minutes: 5,
  bench: "numa",
  text: [
    "Two hardware threads share one core: its arithmetic and its cache. While one waits for memory, the other may compute.",
    "Two copies of a program run on the two threads. In a row of mixtures the program waits for memory never, sometimes, and nearly always.",
  ],
  question: "How much faster are the two together than one after the other?",
  choices: [
    "twice: there are two of them",
    "not at all: there is one core",
    "it depends on how long each stands still: from nothing to nearly twice",
  ],
  figure: () => threads("short"),
  conclude: (value) => {
    const gains = [0, 1, 2, 3, 4, 5, 6].map((index) => value(`mixture_${index}`))
    const [none = 0, most = 0] = [gains[0], gains[6]]
    const between = gains.slice(1, 6)
    return {
      answer: none < 1.1 && most > 1.5 ? 2 : none > 1.5 ? 0 : 1,
      explanation: [
        "Nothing in the machine says how much a second thread gains. It comes out of how often one stands still: two that always compute share the core half and half, two that always wait hardly meet.",
      ],
      claims: [
        { text: "two that never wait gain nothing", measured: none.toFixed(2), holds: none > 0.9 && none < 1.1 },
        {
          text: "mixtures gain 1.2 to 1.8",
          measured: between.map((gain) => gain.toFixed(2)).join(" "),
          holds: between.every((gain) => gain > 1.19 && gain < 1.8),
        },
        { text: "two that nearly always wait run almost as on two cores", measured: most.toFixed(2), holds: most > 1.8 },
      ],
    }
  },
})
