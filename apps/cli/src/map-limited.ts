/** As `Promise.all` over a list, with at most so many under way. The first failure ends it. */
export async function mapLimited<From, To>(list: readonly From[], underWay: number, act: (item: From) => Promise<To>): Promise<To[]> {
  const done: To[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < list.length) {
      const index = next++
      done[index] = await act(list[index] as From)
    }
  }
  await Promise.all(Array.from({ length: Math.min(underWay, list.length) }, worker))
  return done
}
