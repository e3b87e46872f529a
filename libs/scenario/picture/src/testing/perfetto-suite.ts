/** Holds a trace against Perfetto's schema, to the last tag: a decoder alone leaves out what it does not know. */
import protobuf from "protobufjs"

/**
 * The published schema, as far as it is used, in its own language and read by another library: an independent decoder. `BACKPLANE_PERFETTO_PROTO=<file>` gives
 * the tests the whole of it (protos/perfetto/trace/perfetto_trace.proto in Perfetto's sources) instead.
 */
export const PERFETTO_SCHEMA = `
syntax = "proto2";
message Trace { repeated TracePacket packet = 1; }
message TracePacket {
  optional FtraceEventBundle ftrace_events = 1;
  optional ProcessTree process_tree = 2;
  optional uint64 timestamp = 8;
  optional uint32 trusted_packet_sequence_id = 10;
  optional TrackEvent track_event = 11;
  optional uint32 sequence_flags = 13;
  optional TrackDescriptor track_descriptor = 60;
}
message TrackDescriptor { optional uint64 uuid = 1; optional string name = 2; optional uint64 parent_uuid = 5; optional ChildTracksOrdering child_ordering = 11; optional int32 sibling_order_rank = 12; enum ChildTracksOrdering { UNKNOWN = 0; LEXICOGRAPHIC = 1; CHRONOLOGICAL = 2; EXPLICIT = 3; } }
message TrackEvent {
  repeated DebugAnnotation debug_annotations = 4;
  enum Type { TYPE_UNSPECIFIED = 0; TYPE_SLICE_BEGIN = 1; TYPE_SLICE_END = 2; TYPE_INSTANT = 3; TYPE_COUNTER = 4; }
  optional Type type = 9;
  optional uint64 track_uuid = 11;
  repeated string categories = 22;
  optional string name = 23;
  repeated fixed64 flow_ids = 47;
  repeated fixed64 terminating_flow_ids = 48;
}
message DebugAnnotation { optional string name = 10; optional bool bool_value = 2; optional int64 int_value = 4; optional string string_value = 6; }
message ProcessTree { message Process { optional int32 pid = 1; repeated string cmdline = 3; } message Thread { optional int32 tid = 1; optional string name = 2; optional int32 tgid = 3; } repeated Process processes = 1; repeated Thread threads = 2; }
message FtraceEventBundle { optional uint32 cpu = 1; repeated FtraceEvent event = 2; }
message FtraceEvent { optional uint64 timestamp = 1; optional uint32 pid = 2; optional SchedSwitchFtraceEvent sched_switch = 4; }
message SchedSwitchFtraceEvent { optional string prev_comm = 1; optional int32 prev_pid = 2; optional int32 prev_prio = 3; optional int64 prev_state = 4; optional string next_comm = 5; optional int32 next_pid = 6; optional int32 next_prio = 7; }
`

export function traceType(schema: string): protobuf.Type {
  const { root, package: name } = protobuf.parse(schema)
  root.resolveAll()
  return root.lookupType(name === undefined ? "Trace" : `${name}.Trace`)
}

const WIRE_TYPES: Readonly<Record<string, number>> = {
  ...{ int32: 0, uint32: 0, sint32: 0, int64: 0, uint64: 0, sint64: 0, bool: 0 },
  ...{ fixed64: 1, sfixed64: 1, double: 1, string: 2, bytes: 2, fixed32: 5, sfixed32: 5, float: 5 },
}

/** Fields that the schema does not have or writes otherwise, and values that an enumeration does not have; each once. */
export function complaintsOf(type: protobuf.Type, bytes: Uint8Array): readonly string[] {
  const reader = protobuf.Reader.create(bytes)
  const found = new Set<string>()
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    const [id, wire] = [tag >>> 3, tag & 7]
    const field = type.fieldsById[id]
    const of = field?.resolvedType ?? null
    const expected = field === undefined ? null : of instanceof protobuf.Type ? 2 : of instanceof protobuf.Enum ? 0 : WIRE_TYPES[field.type]
    if (field === undefined) found.add(`${type.name} has no field ${id}`)
    else if (expected !== wire) found.add(`${type.name}.${field.name} is ${field.type}, not of wire type ${wire}`)
    if (field === undefined || expected !== wire) {
      reader.skipType(wire)
      continue
    }
    if (of instanceof protobuf.Type) for (const complaint of complaintsOf(of, reader.bytes())) found.add(complaint)
    else if (of instanceof protobuf.Enum) {
      const value = reader.int32()
      if (of.valuesById[value] === undefined) found.add(`${type.name}.${field.name} has no value ${value}`)
    } else reader.skipType(wire)
  }
  return [...found]
}
