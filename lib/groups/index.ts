export type { FreezeReason } from '../axes/reason.js'
export { keptCoordinates, keptSize, type Removed, survives, type UnitAxis, type UnitId } from '../axes/units.js'
export type { Fix, MemberUse, Norm, NormsOption, Relation } from '../operators/graph.js'
export {
  type Arg,
  type DType,
  flat as flatArgs,
  type OpEntry,
  type OpRecord,
  type RecordValue,
  type ScalarValue,
  type SecondRun,
  type SkippedBlock,
  type TensorValue,
  type ValueId,
} from '../record/record.js'
export type { Lengths } from '../sizes/lengths.js'
export type { AnalyseOptions, Analysis, Blocked, Provenance } from './analyse.js'
export type { ChannelGroup, ChannelGroups, FrozenDimension, GroupKind, Member } from './groups.js'
