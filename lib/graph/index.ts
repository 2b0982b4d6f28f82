export { type Analysis, analyse } from './analyse.js'
export type {
  ChannelGroup,
  ChannelGroups,
  FreezeReason,
  FrozenDimension,
  GroupKind,
  Member,
  MemberUse,
} from './groups.js'
export { flat as flatArgs } from './op.js'
export type {
  Arg,
  DType,
  OpEntry,
  OpRecord,
  RecordValue,
  ScalarValue,
  SecondRun,
  SkippedBlock,
  TensorValue,
  ValueId,
} from './record.js'
export { keptCoordinates, keptSize, type Removed, survives, type UnitAxis, type UnitId } from './units.js'
