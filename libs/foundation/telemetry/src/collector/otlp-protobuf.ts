/**
 * OTLP's protobuf messages for metrics and logs, as far as the collector reads them, decoded into the shape of OTLP/JSON (spans: otlp-spans.ts).
 *
 * Field numbers: open-telemetry/opentelemetry-proto v1 (metrics, logs, common, resource). Fields that are not listed
 * are skipped, as protobuf demands. 64-bit integers become decimal text, as in OTLP/JSON; ids stay bytes.
 */
import protobuf from "protobufjs/light.js"

type FieldText = `${string} ${number}` | `repeated ${string} ${number}`

/** `name: "type number"`. */
const MESSAGES: Readonly<Record<string, Readonly<Record<string, FieldText>>>> = {
  ArrayValue: { values: "repeated AnyValue 1" },
  KeyValueList: { values: "repeated KeyValue 1" },
  AnyValue: {
    stringValue: "string 1",
    boolValue: "bool 2",
    intValue: "int64 3",
    doubleValue: "double 4",
    arrayValue: "ArrayValue 5",
    kvlistValue: "KeyValueList 6",
    bytesValue: "bytes 7",
  },
  KeyValue: { key: "string 1", value: "AnyValue 2" },
  Resource: { attributes: "repeated KeyValue 1" },

  MetricsRequest: { resourceMetrics: "repeated ResourceMetrics 1" },
  ResourceMetrics: { resource: "Resource 1", scopeMetrics: "repeated ScopeMetrics 2" },
  ScopeMetrics: { metrics: "repeated Metric 2" },
  Metric: { name: "string 1", description: "string 2", unit: "string 3", gauge: "Gauge 5", sum: "Sum 7", histogram: "Histogram 9" },
  Gauge: { dataPoints: "repeated NumberDataPoint 1" },
  Sum: { dataPoints: "repeated NumberDataPoint 1", aggregationTemporality: "uint32 2", isMonotonic: "bool 3" },
  Histogram: { dataPoints: "repeated HistogramDataPoint 1", aggregationTemporality: "uint32 2" },
  NumberDataPoint: { asDouble: "double 4", exemplars: "repeated Exemplar 5", asInt: "sfixed64 6", attributes: "repeated KeyValue 7" },
  HistogramDataPoint: {
    sum: "double 5",
    bucketCounts: "repeated fixed64 6",
    explicitBounds: "repeated double 7",
    exemplars: "repeated Exemplar 8",
    attributes: "repeated KeyValue 9",
  },
  Exemplar: { timeUnixNano: "fixed64 2", asDouble: "double 3", spanId: "bytes 4", traceId: "bytes 5", asInt: "sfixed64 6" },

  LogsRequest: { resourceLogs: "repeated ResourceLogs 1" },
  ResourceLogs: { resource: "Resource 1", scopeLogs: "repeated ScopeLogs 2" },
  ScopeLogs: { logRecords: "repeated LogRecord 2" },
  LogRecord: {
    timeUnixNano: "fixed64 1",
    severityNumber: "uint32 2",
    severityText: "string 3",
    body: "AnyValue 5",
    attributes: "repeated KeyValue 6",
    traceId: "bytes 9",
    spanId: "bytes 10",
    observedTimeUnixNano: "fixed64 11",
  },
}

/** Fields without presence in proto3 default to zero; only one of these may be there, so their absence must stay visible. */
const ONE_OF: Readonly<Record<string, readonly string[]>> = {
  AnyValue: ["stringValue", "boolValue", "intValue", "doubleValue", "arrayValue", "kvlistValue", "bytesValue"],
  NumberDataPoint: ["asDouble", "asInt"],
  Exemplar: ["asDouble", "asInt"],
}

const REQUEST = { metrics: "MetricsRequest", logs: "LogsRequest" } as const

const ROOT = protobuf.Root.fromJSON({
  nested: Object.fromEntries(
    Object.entries(MESSAGES).map(([name, fields]) => {
      const oneofs = ONE_OF[name] === undefined ? {} : { oneofs: { value: { oneof: [...ONE_OF[name]] } } }
      return [name, { fields: Object.fromEntries(Object.entries(fields).map(([field, text]) => [field, fieldOf(text)])), ...oneofs }]
    }),
  ),
})

function fieldOf(text: FieldText): protobuf.IField {
  const words = text.split(" ")
  const id = Number(words.at(-1))
  const type = words.at(-2) ?? ""
  return words[0] === "repeated" ? { rule: "repeated", type, id } : { type, id }
}

/** Throws where the bytes are no such message. */
export function decodeProtobuf(signal: keyof typeof REQUEST, bytes: Uint8Array): unknown {
  const type = ROOT.lookupType(REQUEST[signal])
  return type.toObject(type.decode(bytes), { longs: String })
}
