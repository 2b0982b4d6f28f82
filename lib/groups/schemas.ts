/** What callers may hand to the analysis. Of what only this library makes a glance tells. */

import type { Removed, UnitAxis } from '../axes/units.js'
import { array, like, list, type Schema, thing, walked } from '../base/schema/index.js'
import type { OpRecord } from '../record/record.js'
import { misfitOfRecord } from '../record/sound.js'
import type { Analysis } from './analyse.js'
import type { ChannelGroup, ChannelGroups } from './groups.js'

export const RECORD = walked<OpRecord>('an op record, as model.record() gives it', misfitOfRecord)

const GROUP = like<ChannelGroup>('a group', { members: array('a list'), scopes: array('a list') })

export const GROUPS = like<ChannelGroups>('channel groups, as analyse() gives them', {
  groups: list(GROUP, 'a list of groups'),
  frozen: array('a list'),
  topReasons: array('a list'),
})

export const ANALYSIS = like<Analysis>('an analysis, as analyse() gives it', {
  groups: array('a list'),
  record: like('an op record', { values: array('a list'), ops: array('a list') }),
  axesOf: thing('a function', (value) => typeof value === 'function'),
  live: thing('a Set', (value) => value instanceof Set),
})

export const UNIT_AXIS = like<UnitAxis>('an axis, as analysis.axesOf() gives it', {
  size: thing('a number', Number.isInteger),
  units: thing('an Int32Array', (value) => value instanceof Int32Array),
})

export const REMOVED: Schema<Removed> = thing(
  'a Uint8Array with a 1 for each unit that goes, as removedUnits() gives it',
  (value) => value instanceof Uint8Array,
)
