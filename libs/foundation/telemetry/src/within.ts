/** Bounds a goodbye: a telemetry that cannot say it holds nobody up. */

/** Settles when `work` does, either way, or when the time is over. Never rejects. */
export async function within(work: Promise<unknown>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs)
  })
  await Promise.race([work.then(ignore, ignore), limit])
  clearTimeout(timer)
}

function ignore(): void {
  // What was lost on the way is counted where it was lost.
}
