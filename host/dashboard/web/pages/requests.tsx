// Requests from outside, all together: how many, how they end, how long they take. Knows no
// function.

import type { LivePicture } from "../generated/api.ts";
import { Chart, type ChartMark } from "../chart.tsx";
import { Facts } from "../parts.tsx";
import {
  duration,
  fromOutside,
  percentile,
  perSecond,
  rate,
  type Recorder,
  success,
  total,
} from "../traffic.ts";

/** What the figures look back on. */
const WINDOW_MS = 10_000;

export function Requests(props: {
  picture: LivePicture;
  recorder: Recorder;
  now: number;
  /** What was done to the cluster, where somebody knows. */
  marks: ChartMark[];
}) {
  const { picture, recorder, now, marks } = props;
  const { calls } = picture;
  const ever = total(calls, fromOutside);
  const lately = recorder.over({ at: now, calls }, WINDOW_MS, fromOutside);
  const { points } = recorder;
  const times = points.map(({ at }) => at);
  return (
    <section aria-labelledby="requests">
      <h2 id="requests">
        Requests and calls from outside<span class="dim"> all nodes, last 10 seconds</span>
      </h2>
      {ever.calls === 0 ? (
        <p class="dim">There was none for what is deployed now.</p>
      ) : (
        <>
          <Facts
            facts={[
              ["Rate", lately ? rate(lately) : "not known yet"],
              ["Success", lately ? success(lately) : "not known yet"],
              ["p50", lately ? duration(percentile(lately, 50)) : "not known yet"],
              ["p99", lately ? duration(percentile(lately, 99)) : "not known yet"],
              ["Success since the nodes count", success(ever)],
            ]}
          />
          {points.length > 1 && (
            <div class="charts">
              <Chart
                title="Requests per second"
                times={times}
                marks={marks}
                show={perSecond}
                lines={[
                  { label: "all", colour: "--busy", values: points.map((it) => it.callsPerSecond) },
                  {
                    label: "failed",
                    colour: "--bad",
                    dash: [4, 3],
                    values: points.map((it) => it.failuresPerSecond),
                  },
                ]}
              />
              <Chart
                title="Time to the answer"
                times={times}
                marks={marks}
                show={(ms) => duration(Math.round(ms * 1_000))}
                lines={[
                  { label: "p50", colour: "--busy", values: points.map((it) => it.p50) },
                  {
                    label: "p99",
                    colour: "--warn",
                    dash: [4, 3],
                    values: points.map((it) => it.p99),
                  },
                ]}
              />
            </div>
          )}
          <p class="dim">The charts begin when this page was opened.</p>
        </>
      )}
    </section>
  );
}
