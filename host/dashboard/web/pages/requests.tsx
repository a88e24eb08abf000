// Requests from outside, all together: how many, how they end, how long they take. Knows no
// function.

import { useEffect, useState } from "preact/hooks";
import type { LivePicture, MetricsHistory } from "../generated/api.ts";
import { request, Refused } from "../api.ts";
import { Chart, type ChartMark } from "../chart.tsx";
import { Facts } from "../parts.tsx";
import { joined, pointsOf, RANGES } from "../past.ts";
import {
  duration,
  fromOutside,
  percentile,
  perSecond,
  type Point,
  rate,
  type Recorder,
  success,
  total,
} from "../traffic.ts";

/** What the figures look back on. */
const WINDOW_MS = 10_000;

export function Requests(props: {
  picture: LivePicture;
  secret: string;
  /** How the feed is: what was missed is asked for when it is back. */
  live: string;
  recorder: Recorder;
  now: number;
  /** What was done to the cluster, where somebody knows. */
  marks: ChartMark[];
}) {
  const { picture, secret, live, recorder, now, marks } = props;
  const { calls } = picture;
  const ever = total(calls, fromOutside);
  const lately = recorder.over({ at: now, calls }, WINDOW_MS, fromOutside);
  const [minutes, setMinutes] = useState(5);
  const { past, trouble } = usePast(secret, minutes, live);
  const points = joined(past, recorder.points, minutes);
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
          <fieldset class="line">
            <legend>Charts of the last</legend>
            {RANGES.map((range) => (
              <label key={range.minutes}>
                <input
                  type="radio"
                  name="range"
                  checked={range.minutes === minutes}
                  onChange={() => setMinutes(range.minutes)}
                />{" "}
                {range.label}
              </label>
            ))}
          </fieldset>
          <p role="alert" class="trouble">
            {trouble}
          </p>
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
        </>
      )}
    </section>
  );
}

/** What the node knows of the time before the page was opened, or the feed came back. */
function usePast(secret: string, minutes: number, live: string) {
  const [past, setPast] = useState<Point[]>([]);
  const [trouble, setTrouble] = useState("");
  useEffect(() => {
    let open = true;
    const ask = async () => {
      try {
        const path = `/api/metrics/history?minutes=${minutes}`;
        const history = await request<MetricsHistory>(secret, "GET", path);
        if (!open) return;
        setPast(pointsOf(history));
        setTrouble("");
      } catch (error) {
        const why = error instanceof Refused ? error.message : String(error);
        if (open) setTrouble(`The charts have no past: ${why}`);
      }
    };
    if (live === "live" || live === "polling") void ask();
    return () => {
      open = false;
    };
  }, [secret, minutes, live]);
  return { past, trouble };
}
