/** Readiness by HTTP, for a service that people and browsers reach: asks a path until it answers with success. */

const POLL_MS = 50
const ANSWER_DEADLINE_MS = 1_000

/** Settles with true at the first success, with false as soon as `wanted` says no. */
export async function answersHttp(url: string, wanted: () => boolean): Promise<boolean> {
  while (wanted()) {
    if (await succeeds(url)) return wanted()
    await new Promise((done) => setTimeout(done, POLL_MS))
  }
  return false
}

async function succeeds(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_DEADLINE_MS) })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}
