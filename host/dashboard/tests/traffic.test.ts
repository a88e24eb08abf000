// Rates and latencies from counts. Knows no page.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { GraphEdge } from "../web/generated/api.ts";
import { layout } from "../web/layout.ts";
import { joined, pointsOf } from "../web/past.ts";
import {
  distribution,
  duration,
  fromOutside,
  percentile,
  Recorder,
  slowest,
  success,
  total,
} from "../web/traffic.ts";

const edge = (
  calls: number,
  failures: number,
  latencies: Record<string, number>,
  caller?: string,
): GraphEdge => ({
  app: "shop",
  ...(caller && { caller }),
  callee: "shop:orders:1.0.0",
  version: 1,
  function: "shop:orders/api@1.0.0#place",
  calls,
  failures,
  "calls-per-second": 0,
  "failures-per-second": 0,
  latencies,
});

test("rates are what was counted in between", () => {
  const recorder = new Recorder();
  const moment = (at: number, calls: number) => ({
    at,
    calls: { a: edge(calls, calls / 10, { 100: calls }), b: edge(calls, 0, {}, "shop:web:1.0.0") },
  });
  recorder.push(moment(0, 1_000));
  assert.equal(recorder.points.length, 0, "what was counted before is no rate");
  recorder.push(moment(500, 1_100));
  recorder.push(moment(1_000, 1_200));
  recorder.push(moment(2_000, 1_300));
  assert.deepEqual(
    recorder.points.map((point) => [point.at, point.callsPerSecond, point.failuresPerSecond]),
    [
      [1, 200, 20],
      [2, 150, 15],
    ],
  );
  assert.deepEqual(
    recorder.points.map((point) => [point.p50, point.p99]),
    [
      [0.1, 0.1],
      [0.1, 0.1],
    ],
  );
  const traffic = recorder.over(moment(2_000, 1_300), 1_000, fromOutside);
  assert.equal(traffic?.calls, 100);
  assert.equal(traffic?.seconds, 1);
  assert.equal(recorder.over(moment(2_000, 1_300), 60_000, () => true)?.calls, 600);
});

test("what comes to light late or goes back is no traffic", () => {
  const recorder = new Recorder();
  recorder.push({ at: 0, calls: {} });
  recorder.push({ at: 1_000, calls: { a: edge(5_000, 0, { 100: 5_000 }) } });
  recorder.push({ at: 2_000, calls: { a: edge(4_000, 0, { 100: 4_000 }) } });
  assert.deepEqual(
    recorder.points.map((point) => point.callsPerSecond),
    [0, 0],
  );
  assert.equal(recorder.points.at(-1)?.p99, null);
});

test("percentiles are those of all edges together", () => {
  const calls = {
    a: edge(98, 0, { 100: 50, 200: 48 }),
    b: edge(2, 1, { 200: 1, 4_000: 1 }, "shop:web:1.0.0"),
  };
  const all = total(calls, () => true);
  assert.deepEqual(
    [50, 51, 99, 100].map((percent) => percentile(all, percent)),
    [100, 200, 200, 4_000],
  );
  assert.equal(slowest(all), 4_000);
  assert.equal(
    percentile(
      total({}, () => true),
      50,
    ),
    undefined,
  );
  assert.deepEqual(distribution(all), [
    { below: 128, count: 50, share: 0.5 },
    { below: 256, count: 49, share: 0.49 },
    { below: 4_096, count: 1, share: 0.01 },
  ]);
  assert.equal(success(all), "99%");
  assert.equal(success({ ...all, calls: 1_000_000, failures: 1 }), "99.999%", "never rounded up");
  assert.equal(success({ ...all, calls: 0, failures: 0 }), "no calls");
});

test("slices stand as many columns from outside as calls lead to them", () => {
  const to = (callee: string, caller?: string) => ({ ...edge(1, 0, {}, caller), callee });
  const { boxes, arrows, columns, rows } = layout([
    to("s:a:1"),
    to("s:b:1", "s:a:1"),
    to("s:c:1", "s:a:1"),
    to("s:c:1", "s:b:1"),
    to("s:a:1", "s:c:1"),
    to("s:e:1", "s:d:1"),
  ]);
  const places = boxes.map(
    ({ slice, column, row }) => `${slice?.name ?? "outside"} ${column}/${row}`,
  );
  assert.deepEqual(places, [
    "outside 0/0",
    "s:d:1 0/1",
    "s:e:1 0/2",
    "s:a:1 1/0",
    "s:b:1 2/0",
    "s:c:1 2/1",
  ]);
  assert.equal(arrows.length, 6);
  assert.deepEqual([columns, rows], [3, 3]);
});

test("durations are for people", () => {
  assert.deepEqual([999, 1_000, 12_500, 999_000, 3_100_000].map(duration), [
    "999 µs",
    "1.0 ms",
    "13 ms",
    "999 ms",
    "3.1 s",
  ]);
  assert.equal(duration(undefined), "none");
});

test("the charts begin in the past and go on with what the page has seen", () => {
  const column = (...mean: (number | null)[]) => ({ mean, max: mean });
  const past = pointsOf({
    start: "1970-01-01T00:01:40Z",
    "step-seconds": 10,
    slots: 3,
    nodes: {},
    requests: {
      "per-second": column(null, 5, 7),
      "failures-per-second": column(null, 0, 1),
      "p50-us": [null, null, 200],
      "p99-us": [null, null, 4_000],
    },
  });
  assert.deepEqual(past, [
    { at: 120, callsPerSecond: 5, failuresPerSecond: 0, p50: null, p99: null },
    { at: 130, callsPerSecond: 7, failuresPerSecond: 1, p50: 0.2, p99: 4 },
  ]);
  const seen = [129, 131, 181].map((at) => ({ ...past[0]!, at }));
  const times = (minutes: number) => joined(past, seen, minutes).map(({ at }) => at);
  assert.deepEqual(times(5), [120, 130, 131, 181]);
  assert.deepEqual(times(1), [130, 131, 181]);
  assert.deepEqual(joined([], [], 5), []);
});
