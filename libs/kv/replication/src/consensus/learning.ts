/** Whether a voter lacks something that it was to have, and when it has it again (consensus-group.ts, C5). */
export class Learning {
  isOn: boolean
  /** The leader's last index when learning began. */
  #from: number | null = null

  constructor(isOn: boolean) {
    this.isOn = isOn
  }

  begin(): void {
    this.isOn = true
    this.#from = null
  }

  /** True once an entry is committed that came after learning began. `match`: as far as the log is the leader's; `commits`: of the leader and here. */
  hasCaughtUp(match: number, commits: readonly number[]): boolean {
    this.#from ??= match
    const from = this.#from
    return commits.every((commit) => commit > from)
  }
}
