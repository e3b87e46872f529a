/** Weights and slices for laws about shares. */
import type { Random } from "@backplane/foundation-base/random"

export function drawShares(random: Random): { readonly weights: readonly number[]; readonly sliceTicks: number } {
  return {
    weights: Array.from({ length: random.between(2, 9) }, () => random.between(1, 1000)),
    sliceTicks: random.between(1, 12),
  }
}

/** The largest error between two tasks: how far one is from its part of what the two got together. */
export function pairErrorMost(ran: readonly number[], weights: readonly number[]): number {
  let most = 0
  for (const [i, a] of ran.entries())
    for (const [j, b] of ran.entries()) {
      const mine = weights[i] ?? 1
      const both = mine + (weights[j] ?? 1)
      if (i !== j) most = Math.max(most, Math.abs(a - ((a + b) * mine) / both))
    }
  return most
}
