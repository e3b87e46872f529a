/** What the CPUs of a native board carry out by themselves, and under which names it is counted. */
import { exceptionName } from "./exit-names.ts"
import type { ServedCounts, ServingHow } from "@backplane/compute-contract/privileged"
import type { BootImage } from "./board-types.ts"

/** All that a CPU can: the board has no say in its privileged state. An image that starts in S-mode calls the board's SBI. */
export function servingOf(start: BootImage["start"], rounds: ServingHow["rounds"] = "none"): ServingHow {
  const supervisorCalls = start === "supervisor" ? "leave" : "trap"
  return { traps: "served", spaces: true, translations: "own", supervisorCalls, exits: "none", rounds, tables: "noted" }
}

/** The names that the same operations have where the host serves them; `satp`: what that CSR among others is called. */
export function servedCauses(
  { csrs, satps, returns, fences, traps }: ServedCounts,
  { satp }: { readonly satp: "csr" | "satp" } = { satp: "csr" },
): readonly (readonly [cause: string, count: number])[] {
  const all: (readonly [string, number])[] = [
    ["csr", satp === "csr" ? csrs + satps : csrs],
    ["satp", satp === "csr" ? 0 : satps],
    ["return", returns],
    ["fence", fences],
  ]
  for (const { cause, count } of traps) all.push([exceptionName(cause), count])
  return all.filter(([, count]) => count > 0)
}
