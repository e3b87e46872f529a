export function soakCommand(_args: readonly string[]): number {
  return 0
}
