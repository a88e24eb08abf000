// What Forge says over its API, in its words, and those words as sentences. Pure.

export interface Calls {
  nodes?: number[];
  slice: string;
  function?: string | null;
  share: number;
}

/** What goes wrong; nodes by their numbers. */
export type Trouble =
  | { kill: { node: number } }
  | { stop: { node: number } }
  | { partition: { groups: [number[], number[]]; "one-way"?: boolean } }
  | { latency: { from: number[]; to: number[]; time: string } }
  | { loss: { from: number[]; to: number[]; share: number } }
  | { "slow-disk": { node: number; time: string } }
  | { "failed-sync": { node: number } }
  | { cpu: { node: number; threads: number } }
  | { memory: { node: number; size: string } }
  | { clock: { node: number; apart: string; behind?: boolean } }
  | { "call-failure": { calls: Calls } }
  | { "call-delay": { calls: Calls; time: string } }
  | { crash: { calls: Calls } };

export interface FaultOrder {
  trouble: Trouble;
  duration: string;
}

export interface FaultView {
  number: number;
  trouble: Trouble;
  "left-ms": number;
}

export type Process = "running" | "changing" | "stopped" | "down";
export type Action = "kill" | "stop" | "resume" | "restart" | "drain" | "activate";

export interface ForgeNode {
  number: number;
  id: string;
  process: Process;
  http: string;
}

export type Happening =
  | { fault: Trouble }
  | { node: { node: number; action: Action } }
  | { added: { node: number } };

/** Something that was done to the cluster. Milliseconds since 1970. */
export interface Mark {
  number: number;
  what: Happening;
  "from-ms": number;
  "until-ms": number;
}

export interface Figures {
  due: number;
  good: number;
  failed: number;
  success?: number | null;
  "per-second": number;
  "p50-ms": number;
  "p99-ms": number;
  "max-ms": number;
  "longest-gap-ms": number;
  statuses: Record<string, number>;
  failures: Record<string, number>;
}

export interface Second {
  /** From the start of the load. */
  at: number;
  due: number;
  good: number;
  failed: number;
  "p50-ms": number;
  "p99-ms": number;
}

export interface Report {
  progress: "running" | "paused" | "over";
  "elapsed-s": number;
  factor: number;
  total: Figures;
  targets: { name: string; figures: Figures }[];
  seconds: Second[];
}

export interface Live {
  "now-ms": number;
  nodes: ForgeNode[];
  faults: FaultView[];
  marks: Mark[];
  load?: { "started-ms": number; report: Report } | null;
  watch?: WatchView | null;
}

/** The work on the application's sources. */
export interface WatchView {
  state: "watching" | "building" | "rolling-out" | "failed";
  /** What is built or rolled out, or why that failed. */
  said: string;
  "at-ms": number;
}

const nodes = (numbers: number[]): string =>
  `${numbers.length === 1 ? "node" : "nodes"} ${numbers.join(", ")}`;
const between = (from: number[], to: number[]): string => `${nodes(from)} and ${nodes(to)}`;
const percent = (share: number): string => `${Math.round(share * 10_000) / 100}%`;

function calls({ slice, function: name, share, nodes: at = [] }: Calls): string {
  const some = share < 1 ? `${percent(share)} of the calls` : "calls";
  return `${some} to ${name ?? slice}${at.length > 0 ? ` on ${nodes(at)}` : ""}`;
}

/** What goes wrong, as a sentence without a full stop. */
export function trouble(it: Trouble): string {
  if ("kill" in it) return `node ${it.kill.node} killed`;
  if ("stop" in it) return `node ${it.stop.node} stopped`;
  if ("partition" in it) {
    const [from, to] = it.partition.groups;
    const way = it.partition["one-way"] ? "nothing gets from" : "nothing gets between";
    return it.partition["one-way"]
      ? `${way} ${nodes(from)} to ${nodes(to)}`
      : `${way} ${between(from, to)}`;
  }
  if ("latency" in it) {
    return `${it.latency.time} of latency between ${between(it.latency.from, it.latency.to)}`;
  }
  if ("loss" in it) {
    const { from, to, share } = it.loss;
    return `${percent(share)} of the messages between ${between(from, to)} lost`;
  }
  if ("slow-disk" in it) {
    return `each write of node ${it["slow-disk"].node} takes ${it["slow-disk"].time} longer`;
  }
  if ("failed-sync" in it) return `the disk of node ${it["failed-sync"].node} does not sync`;
  if ("cpu" in it) return `${it.cpu.threads} threads of node ${it.cpu.node} do nothing but run`;
  if ("memory" in it) return `${it.memory.size} of the memory of node ${it.memory.node} taken`;
  if ("clock" in it) {
    const side = it.clock.behind ? "behind" : "ahead";
    return `the clock of node ${it.clock.node} ${it.clock.apart} ${side}`;
  }
  if ("call-failure" in it) return `${calls(it["call-failure"].calls)} fail`;
  if ("call-delay" in it) {
    return `${calls(it["call-delay"].calls)} take ${it["call-delay"].time} longer`;
  }
  return `${calls(it.crash.calls)} crash the slice`;
}

const DONE: Record<Action, string> = {
  kill: "killed",
  stop: "stopped",
  resume: "resumed",
  restart: "restarted",
  drain: "told to drain",
  activate: "activated",
};

export function happening(it: Happening): string {
  if ("fault" in it) return trouble(it.fault);
  if ("added" in it) return `node ${it.added.node} added`;
  return `node ${it.node.node} ${DONE[it.node.action]}`;
}

/** What somebody who cannot see the page has to be told of, between two looks. */
export function news(before: Live, after: Live): string[] {
  const said: string[] = [];
  const known = (list: FaultView[], number: number) => list.some((it) => it.number === number);
  for (const fault of after.faults) {
    if (!known(before.faults, fault.number)) said.push(`Fault begins: ${trouble(fault.trouble)}`);
  }
  for (const fault of before.faults) {
    if (!known(after.faults, fault.number)) said.push(`Fault has ended: ${trouble(fault.trouble)}`);
  }
  for (const { number, process } of after.nodes) {
    const was = before.nodes.find((it) => it.number === number);
    if (was && was.process !== process) said.push(`The process of node ${number} is ${process}`);
  }
  return said;
}
