export { type Analysis, analyse, type Provenance } from './analyse.js'
export type {
  ChannelGroup,
  ChannelGroups,
  FreezeReason,
  FrozenDimension,
  GroupKind,
  Member,
  MemberUse,
} from './groups.js'
export { type Fix, flat as flatArgs, type Norm, type Relation } from './op.js'
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
