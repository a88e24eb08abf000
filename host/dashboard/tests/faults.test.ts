// The pages of Forge without a browser: what their forms order, and what they make of what Forge
// says. Knows no page.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { extend } from "../web/forge/desk.ts";
import { happening, news, trouble, type Live, type Trouble } from "../web/forge/model.ts";
import { initial, KINDS, order } from "../web/forge/troubles.ts";

/** What Forge's own tests read as well. */
const orders = async (): Promise<{ trouble: Trouble; duration: string }[]> =>
  JSON.parse(await readFile("tests/orders.json", "utf8")) as { trouble: Trouble; duration: string }[];

test("every kind of fault is ordered as Forge reads it", async () => {
  const made = KINDS.map((kind) => {
    const values = { ...initial(kind, 2, "shop:cart"), from: [1], to: [2, 3], nodes: [1] };
    const more = { "one-way": true, behind: true, function: " shop:cart/api#add " };
    return order(kind, { ...values, ...more }, " 30s ");
  });
  assert.deepEqual(made, await orders());
});

test("every fault is said in a sentence", async () => {
  const said = (await orders()).map((it) => trouble(it.trouble));
  assert.deepEqual(said, [
    "node 2 killed",
    "node 2 stopped",
    "nothing gets from node 1 to nodes 2, 3",
    "50ms of latency between node 1 and nodes 2, 3",
    "10% of the messages between node 1 and nodes 2, 3 lost",
    "each write of node 2 takes 50ms longer",
    "the disk of node 2 does not sync",
    "2 threads of node 2 do nothing but run",
    "256MiB of the memory of node 2 taken",
    "the clock of node 2 15s behind",
    "calls to shop:cart/api#add on node 1 fail",
    "calls to shop:cart/api#add on node 1 take 100ms longer",
    "calls to shop:cart/api#add on node 1 crash the slice",
  ]);
  const some = { calls: { slice: "shop:cart", share: 0.125 } };
  assert.equal(trouble({ "call-failure": some }), "12.5% of the calls to shop:cart fail");
  const both = { groups: [[1], [2]] as [number[], number[]] };
  assert.equal(trouble({ partition: both }), "nothing gets between node 1 and node 2");
  assert.equal(happening({ node: { node: 3, action: "restart" } }), "node 3 restarted");
  assert.equal(happening({ added: { node: 4 } }), "node 4 added");
});

const second = (at: number, good: number) => ({
  at,
  due: good,
  good,
  failed: 0,
  "p50-ms": 2,
  "p99-ms": 9,
});

function live(now: number, started: number, seconds: [at: number, good: number][]): Live {
  const figures = {
    due: 0,
    good: 0,
    failed: 0,
    "per-second": 0,
    "p50-ms": 0,
    "p99-ms": 0,
    "max-ms": 0,
    "longest-gap-ms": 0,
    statuses: {},
    failures: {},
  };
  const report = {
    progress: "running" as const,
    "elapsed-s": (now - started) / 1_000,
    factor: 1,
    total: figures,
    targets: [],
    seconds: seconds.map(([at, good]) => second(at, good)),
  };
  const load = { "started-ms": started, report };
  return { "now-ms": now, nodes: [], faults: [], marks: [], load };
}

test("each second of load is a point once, when it is over, and a pause between loads is a gap", () => {
  let points = extend([], live(12_400, 10_000, [[0, 5], [1, 6], [2, 1]]));
  assert.deepEqual(points.map(({ at, due }) => [at, due]), [[10, 5], [11, 6]]);
  points = extend(points, live(13_400, 10_000, [[1, 6], [2, 7], [3, 1]]));
  assert.deepEqual(points.map(({ at, due }) => [at, due]), [[10, 5], [11, 6], [12, 7]]);
  points = extend(points, live(31_000, 30_000, [[0, 0]]));
  assert.deepEqual(points.slice(3).map(({ at, due, p50 }) => [at, due, p50]), [
    [13, null, null],
    [30, 0, null],
  ]);
});

test("what was done is said once, with its end", () => {
  const base = live(0, 0, []);
  const node = { number: 2, id: "a", process: "running" as const, http: "" };
  const fault = { number: 7, trouble: { kill: { node: 2 } }, "left-ms": 5 };
  const before = { ...base, nodes: [node] };
  const after = { ...base, nodes: [{ ...node, process: "down" as const }], faults: [fault] };
  assert.deepEqual(news(before, after), [
    "Fault begins: node 2 killed",
    "The process of node 2 is down",
  ]);
  assert.deepEqual(news(after, after), []);
  assert.deepEqual(news(after, before), [
    "Fault has ended: node 2 killed",
    "The process of node 2 is running",
  ]);
});
