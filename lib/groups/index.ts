export { keptCoordinates, keptSize, type Removed, survives, type UnitAxis, type UnitId } from '../axes/units.js'
export type { Fix, Norm, Relation } from '../operators/op.js'
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
export type { Analysis, Blocked, Provenance } from './analyse.js'
export type {
  ChannelGroup,
  ChannelGroups,
  FreezeReason,
  FrozenDimension,
  GroupKind,
  Member,
  MemberUse,
} from './groups.js'
