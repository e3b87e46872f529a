/** How many replicas a request waits for. By default a majority each, so that every read quorum meets every write quorum: R + W > N. */

export interface QuorumWish {
  readonly r?: number | undefined
  readonly w?: number | undefined
}

export interface Quorum {
  readonly n: number
  readonly r: number
  readonly w: number
}

/** What the request asks for, else what the bucket says, else a majority; or what is wrong with it. */
export function quorumOf(
  n: number,
  bucket: QuorumWish,
  request: QuorumWish,
): Quorum | { readonly field: "r" | "w"; readonly remedy: string } {
  const majority = Math.floor(n / 2) + 1
  const r = request.r ?? bucket.r ?? majority
  const w = request.w ?? bucket.w ?? majority
  if (r < 1 || r > n) return { field: "r", remedy: `ask for 1 to ${n} replicas: the partition has ${n}` }
  if (w < 1 || w > n) return { field: "w", remedy: `ask for 1 to ${n} replicas: the partition has ${n}` }
  return { n, r, w }
}

/** True where every read of `r` replicas meets every write of `w`. */
export function quorumsMeet({ n, r, w }: Quorum): boolean {
  return r + w > n
}
