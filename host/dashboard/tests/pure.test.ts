// What needs no browser: patches, numbers, what is wrong with a cluster. Knows no page.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, clock, span } from "../web/format.ts";
import type { LivePicture, NodeStatus } from "../web/generated/api.ts";
import { activeInstances, changes, health } from "../web/health.ts";
import { merge } from "../web/patch.ts";

test("patches are applied as RFC 7396 says", () => {
  const cases: [target: unknown, patch: unknown, result: unknown][] = [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "b" }, ["c"], ["c"]],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, result] of cases) {
    const before = structuredClone(target);
    assert.deepEqual(merge(target, patch), result);
    assert.deepEqual(target, before, "what was given is not changed");
  }
  const target = { a: { x: 1 }, b: { y: 1 } };
  assert.equal(merge(target, { b: { y: 2 } }).a, target.a, "the rest is the same object");
});

test("numbers are for people", () => {
  assert.deepEqual([0, 1023, 1024, 1536, 100 << 20, 4 * 2 ** 30].map(bytes), [
    "0 B",
    "1023 B",
    "1.0 KiB",
    "1.5 KiB",
    "100 MiB",
    "4.0 GiB",
  ]);
  assert.deepEqual([0, 59, 60, 3_725, 90_000, 86_400 * 3 + 5].map(span), [
    "0 s",
    "59 s",
    "1 min",
    "1 h 2 min",
    "1 d 1 h",
    "3 d",
  ]);
  const now = new Date(2026, 10, 22, 9, 5, 7);
  assert.equal(clock(now.toISOString(), now), "09:05:07");
  assert.equal(clock(new Date(2026, 10, 21, 9, 5, 7).toISOString(), now), "2026-11-21 09:05:07");
  assert.equal(clock("soon", now), "soon");
});

const node = (id: string, more: Partial<NodeStatus> = {}): NodeStatus => ({
  id,
  version: "1",
  "uptime-seconds": 1,
  api: "",
  http: "",
  generation: 1,
  memory: { budget: 1, committed: 0, resident: 0 },
  "active-instances": 1,
  state: "ON_DUTY",
  reachable: true,
  cluster: "",
  zone: "",
  ...more,
});

function picture(more: Partial<LivePicture> = {}): LivePicture {
  return {
    node: "aaaa",
    "not-ready": [],
    cluster: { id: "c", nodes: 2, writable: true },
    raft: {
      role: "leader",
      term: 1,
      "last-index": 1,
      "committed-index": 1,
      "applied-index": 1,
      revision: 1,
    },
    notes: [],
    "failing-tasks": {},
    nodes: { aaaa: node("aaaa"), bbbb: node("bbbb") },
    applications: {},
    rollouts: {},
    alerts: {},
    calls: {},
    events: {},
    ...more,
  };
}

const reason = { code: "start-failed", message: "it trapped", retryable: true };
const app = (phase: "ACTIVE" | "DEGRADED" | "FAILED"): LivePicture["applications"][string] => ({
  name: "web",
  version: "1",
  revision: 1,
  phase,
  routes: [],
  slices: [
    {
      app: "web",
      artifact: "t:web:1",
      digest: "d",
      desired: 2,
      planned: 2,
      active: 2,
      exports: [],
      dependencies: [],
      reasons: phase === "ACTIVE" ? [] : [reason],
      instances: [
        { ordinal: 0, node: "aaaa", state: "ACTIVE" },
        { ordinal: 1, node: "bbbb", state: "ACTIVE" },
      ],
    },
  ],
});

/** The level, then what is wrong and why. */
function said(of: LivePicture): string[] {
  const { level, findings } = health(of);
  return [level, ...findings.map(({ what, why }) => (why ? `${what}: ${why}` : what))];
}

test("what is wrong is said with its reason, the worst first", () => {
  assert.deepEqual(said(picture()), ["good"]);
  assert.deepEqual(
    said(
      picture({
        nodes: { aaaa: node("aaaa"), bbbb: node("bbbb", { reachable: false, reason: "refused" }) },
      }),
    ),
    ["bad", "Node bbbb does not answer: refused"],
  );
  assert.deepEqual(
    said(picture({ applications: { web: app("DEGRADED") }, "not-ready": ["1 of 2"] })),
    [
      "warn",
      "Application web is DEGRADED: it trapped",
      "This node does not take traffic yet: 1 of 2",
    ],
  );
  assert.deepEqual(
    said(picture({ cluster: { id: "c", nodes: 2, writable: true, reason: "bbbb is silent" } })),
    ["bad", "Nothing can be changed: bbbb is silent"],
  );
  assert.deepEqual(said(picture({ "failing-tasks": { planner: "no" } })), [
    "warn",
    "The task planner of this node fails: no",
  ]);
  const alert = {
    id: 7,
    metric: "node.cpu",
    unit: "share",
    of: "aaaa",
    severity: "warning" as const,
    value: 0.853,
    threshold: 0.8,
    raised: "2026-01-01T00:00:00.000Z",
  };
  const slow = { ...alert, id: 8, metric: "calls.p99", unit: "ms", of: "web", value: 310 };
  const seen = { ...slow, severity: "critical" as const, "acknowledged-by": "ann" };
  assert.deepEqual(said(picture({ alerts: { 7: alert, 8: seen } })), [
    "bad",
    "Alert 8: calls.p99 of web is 310.0 ms: ann looks after it",
    "Alert 7: node.cpu of aaaa is 85.3 %: warning from 80.0 % on",
  ]);
  assert.equal(health(picture(), true).level, "none", "what is old says nothing of now");
});

test("an instance on a node that does not answer does not count", () => {
  const of = picture({ applications: { web: app("ACTIVE") } });
  const { slices } = app("ACTIVE");
  assert.equal(activeInstances(of, slices), 2);
  assert.equal(activeInstances({ ...of, nodes: { aaaa: node("aaaa") } }, slices), 1);
});

test("changes are told in words", () => {
  const before = picture({ applications: { web: app("ACTIVE") } });
  assert.deepEqual(changes(before, before), []);
  const after = picture({
    nodes: { aaaa: node("aaaa", { reachable: false }), cccc: node("cccc") },
    applications: { web: app("FAILED") },
  });
  assert.deepEqual(changes(before, after), [
    "Node aaaa does not answer",
    "Node cccc joined",
    "Node bbbb left",
    "Application web is FAILED",
  ]);
  assert.deepEqual(changes(after, { ...after, applications: {} }), ["Application web is gone"]);
});
