/** Notices the death of the process that started this one, so that a killed supervisor leaves nothing behind. */

const LOOK_EVERY_MILLISECONDS = 500

/** Calls `onGone` once. Returns the end of the watch. */
export function watchParent(parentPid: number, onGone: () => void): () => void {
  // A direct child is given to another parent when its own dies: sure even where the number is used again.
  const isChild = process.ppid === parentPid
  const timer = setInterval(() => {
    if (isChild ? process.ppid === parentPid : isAlive(parentPid)) return
    clearInterval(timer)
    onGone()
  }, LOOK_EVERY_MILLISECONDS)
  timer.unref()
  return () => clearInterval(timer)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}
