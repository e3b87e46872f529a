/** Which keys have writes under way. A key may be written again before the first write is on disk; only the last one counts. */
export class Writes {
  readonly #pending = new Map<string, number>()

  begin(key: string): void {
    this.#pending.set(key, (this.#pending.get(key) ?? 0) + 1)
  }

  /** One write of the key is on disk. True when it was the last. */
  end(key: string): boolean {
    const left = (this.#pending.get(key) ?? 1) - 1
    if (left > 0) this.#pending.set(key, left)
    else this.#pending.delete(key)
    return left === 0
  }

  isPending(key: string): boolean {
    return this.#pending.has(key)
  }
}
