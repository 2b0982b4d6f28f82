import type { OpRecord, SecondRun } from './record.js'

/** The record as the native side writes it: JSON in which a Map is an array of pairs. */
type RecordJson = Omit<OpRecord, 'secondRun'> & {
  secondRun?: { batch: number; scalars: [number, number | boolean | string | null][]; shapes: [number, number[]][] }
}

/** @internal */
export function parseRecord(text: string): OpRecord {
  const { secondRun, ...record } = JSON.parse(text) as RecordJson
  if (secondRun === undefined) return record
  const second: SecondRun = { ...secondRun, scalars: new Map(secondRun.scalars), shapes: new Map(secondRun.shapes) }
  return { ...record, secondRun: second }
}
