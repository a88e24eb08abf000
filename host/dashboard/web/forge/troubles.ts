// Every kind of fault as a form: its fields, and the order that they make. Pure; knows no page.

import type { Calls, FaultOrder, Trouble } from "./model.ts";

export interface Field {
  name: string;
  label: string;
  kind: "node" | "nodes" | "text" | "number" | "percent" | "flag" | "slice" | "function";
  /** What stands there at first. */
  initial?: string;
  help?: string;
}

/** What the fields hold: texts, numbers of nodes, or whether. */
export type Values = Record<string, string | number[] | boolean>;

export interface Kind {
  word: string;
  label: string;
  /** What it does, in a sentence. */
  about: string;
  fields: Field[];
  trouble(values: Values): Trouble;
}

const NODE: Field = { name: "node", label: "Node", kind: "node" };
const FROM: Field = { name: "from", label: "One side", kind: "nodes" };
const TO: Field = { name: "to", label: "Other side", kind: "nodes" };
const time = (initial: string): Field => ({
  name: "time",
  label: "How much longer",
  kind: "text",
  initial,
  help: "Such as 50ms or 2s; at most 10s.",
});
const CALLS: Field[] = [
  { name: "slice", label: "Slice", kind: "slice" },
  {
    name: "function",
    label: "Function",
    kind: "function",
    help: "namespace:package/interface#function; empty: every one.",
  },
  { name: "share", label: "Of a hundred calls", kind: "percent", initial: "100" },
  { name: "nodes", label: "Only on", kind: "nodes", help: "None: on all nodes." },
];

const text = (values: Values, name: string): string => String(values[name] ?? "").trim();
const number = (values: Values, name: string): number => Number(text(values, name));
const list = (values: Values, name: string): number[] => {
  const value = values[name];
  return Array.isArray(value) ? value : [];
};
const share = (values: Values): number => number(values, "share") / 100;
const node = (values: Values): { node: number } => ({ node: number(values, "node") });
const sides = (values: Values) => ({ from: list(values, "from"), to: list(values, "to") });
const calls = (values: Values): Calls => {
  const name = text(values, "function");
  const found = { slice: text(values, "slice"), share: share(values), nodes: list(values, "nodes") };
  return name === "" ? found : { ...found, function: name };
};

export const KINDS: Kind[] = [
  {
    word: "kill",
    label: "Kill a node",
    about: "kill -9. It is started again at the end.",
    fields: [NODE],
    trouble: (values) => ({ kill: node(values) }),
  },
  {
    word: "stop",
    label: "Stop a node",
    about: "SIGSTOP: it is there and does nothing. It goes on at the end.",
    fields: [NODE],
    trouble: (values) => ({ stop: node(values) }),
  },
  {
    word: "partition",
    label: "Partition",
    about: "Nothing gets from one side to the other, and nothing back.",
    fields: [
      FROM,
      TO,
      { name: "one-way", label: "From the first side to the other alone", kind: "flag" },
    ],
    trouble: (values) => ({
      partition: {
        groups: [list(values, "from"), list(values, "to")],
        "one-way": values["one-way"] === true,
      },
    }),
  },
  {
    word: "latency",
    label: "Latency",
    about: "What goes between the sides takes longer, each way.",
    fields: [FROM, TO, time("50ms")],
    trouble: (values) => ({ latency: { ...sides(values), time: text(values, "time") } }),
  },
  {
    word: "loss",
    label: "Loss of messages",
    about: "Messages of consensus between the sides get lost; calls do not.",
    fields: [
      FROM,
      TO,
      { name: "share", label: "Of a hundred messages", kind: "percent", initial: "10" },
    ],
    trouble: (values) => ({ loss: { ...sides(values), share: share(values) } }),
  },
  {
    word: "slow-disk",
    label: "Slow disk",
    about: "Each write of the log takes longer.",
    fields: [NODE, time("50ms")],
    trouble: (values) => ({ "slow-disk": { ...node(values), time: text(values, "time") } }),
  },
  {
    word: "failed-sync",
    label: "Disk that does not sync",
    about: "The node stops with its next write, and is started again at the end.",
    fields: [NODE],
    trouble: (values) => ({ "failed-sync": node(values) }),
  },
  {
    word: "cpu",
    label: "Busy processors",
    about: "Threads of the node do nothing but run.",
    fields: [NODE, { name: "threads", label: "Threads", kind: "number", initial: "2" }],
    trouble: (values) => ({ cpu: { ...node(values), threads: number(values, "threads") } }),
  },
  {
    word: "memory",
    label: "Less memory",
    about: "So much of the node's memory is taken.",
    fields: [
      NODE,
      {
        name: "size",
        label: "Memory",
        kind: "text",
        initial: "256MiB",
        help: "At most 4GiB.",
      },
    ],
    trouble: (values) => ({ memory: { ...node(values), size: text(values, "size") } }),
  },
  {
    word: "clock",
    label: "Wrong clock",
    about: "The clock that the node says to others is wrong.",
    fields: [
      NODE,
      { name: "apart", label: "By", kind: "text", initial: "15s", help: "At most 1h." },
      { name: "behind", label: "Behind instead of ahead", kind: "flag" },
    ],
    trouble: (values) => ({
      clock: { ...node(values), apart: text(values, "apart"), behind: values["behind"] === true },
    }),
  },
  {
    word: "call-failure",
    label: "Calls that fail",
    about: "Calls to the slice begin and fail.",
    fields: CALLS,
    trouble: (values) => ({ "call-failure": { calls: calls(values) } }),
  },
  {
    word: "call-delay",
    label: "Slow calls",
    about: "Calls to the slice take longer, within their deadlines.",
    fields: [...CALLS, time("100ms")],
    trouble: (values) => ({ "call-delay": { calls: calls(values), time: text(values, "time") } }),
  },
  {
    word: "crash",
    label: "Slice that crashes",
    about: "Calls end as if the slice had trapped; its warm instances are thrown away.",
    fields: CALLS,
    trouble: (values) => ({ crash: { calls: calls(values) } }),
  },
];

/** What the fields hold at first. */
export function initial(kind: Kind, node: number, slice: string): Values {
  const value = (field: Field): Values[string] => {
    switch (field.kind) {
      case "node":
        return String(node);
      case "nodes":
        return [];
      case "flag":
        return false;
      case "slice":
        return slice;
      default:
        return field.initial ?? "";
    }
  };
  return Object.fromEntries(kind.fields.map((field) => [field.name, value(field)]));
}

export const order = (kind: Kind, values: Values, duration: string): FaultOrder => ({
  trouble: kind.trouble(values),
  duration: duration.trim(),
});
