/**
 * Zeros behind the end of a log's file, written before they are needed.
 *
 * A sync of a file that has grown writes its new length as well, through the file system's journal: about half again as long as a sync of bytes that
 * lie in blocks which the file already has, and it keeps the disk from the syncs of others. So a file is made longer in larger steps. What is left of
 * its room goes when it is closed, and a process that was killed leaves it: whoever reads the file takes it off.
 *
 * A power cut may keep a later page of what was not synced and not an earlier one: zeros in the midst of records. A sync covers all that is before it, so
 * nothing from there on was promised to anybody.
 */

/** A file gets as much room as it has bytes, up to this: a short log stays short. */
const ROOM_BYTES_MAX = 262_144
/** Written in pieces of this: the kernel keeps a larger write as one unit, and would write all of it to the disk for each record within. */
export const ROOM_PIECE_BYTES = 4_096
/** No disk writes less than this at a time; records have shorter runs of zeros. */
const SECTOR_BYTES = 512

/** Where the room behind `end` is to end, in bytes from the start of the file. */
export function roomBehind(end: number): number {
  return end + Math.min(end, ROOM_BYTES_MAX)
}

/**
 * What was written of a log, without the room behind it. What stands behind zeros in its midst is cut off, and a zero left in its place, which is no
 * record: the log is to tell that its end is torn. A log's last byte is never zero (`AppendLog`).
 */
export function withoutRoom(bytes: Uint8Array): Uint8Array {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  const hole = firstHole(bytes, end)
  return bytes.subarray(0, hole === null ? end : hole + 1)
}

/** The first sector of zeros before `end`; null: there is none. */
function firstHole(bytes: Uint8Array, end: number): number | null {
  for (let sector = 0; sector < end; sector += SECTOR_BYTES) {
    let at = sector
    const next = Math.min(sector + SECTOR_BYTES, end)
    while (at < next && bytes[at] === 0) at++
    if (at === next) return sector
  }
  return null
}
