// Functions and who calls them: rates, failures, times. Knows no route.

import { useState } from "preact/hooks";
import type { GraphEdge, LivePicture } from "../generated/api.ts";
import { State, Table } from "../parts.tsx";
import { CallGraph } from "./graph.tsx";
import {
  distribution,
  duration,
  percentile,
  rate,
  type Recorder,
  slowest,
  success,
  total,
  type Traffic,
} from "../traffic.ts";

const WINDOWS: { label: string; ms: number | undefined }[] = [
  { label: "10 seconds", ms: 10_000 },
  { label: "1 minute", ms: 60_000 },
  { label: "since the nodes count", ms: undefined },
];

interface Row {
  id: string;
  edge: GraphEdge;
  traffic: Traffic;
}

export function Functions(props: { picture: LivePicture; recorder: Recorder; now: number }) {
  const {
    picture: { calls },
    recorder,
    now,
  } = props;
  const [window, setWindow] = useState(WINDOWS[1]);
  const measure = (wants: (edge: GraphEdge) => boolean): Traffic =>
    (window?.ms ? recorder.over({ at: now, calls }, window.ms, wants) : undefined) ?? {
      ...total(calls, wants),
    };
  const edges = Object.values(calls);
  if (edges.length === 0) {
    return <p class="dim">Nothing was called yet, of what is deployed now.</p>;
  }
  const byFunction = rows(edges, functionOf, (edge) =>
    measure((it) => functionOf(it) === functionOf(edge)),
  );
  const byEdge = rows(edges, edgeOf, (edge) => measure((it) => edgeOf(it) === edgeOf(edge)));
  return (
    <>
      <fieldset class="line">
        <legend>Over</legend>
        {WINDOWS.map((it) => (
          <label key={it.label}>
            <input
              type="radio"
              name="window"
              checked={it === window}
              onChange={() => setWindow(it)}
            />{" "}
            {it.label}
          </label>
        ))}
      </fieldset>
      <Table
        caption="Functions that were called"
        columns={[
          { head: "Function", names: true, cell: ({ edge }: Row) => <FunctionName edge={edge} /> },
          ...numbers,
          { head: "Times", cell: ({ traffic }) => <Times traffic={traffic} /> },
        ]}
        rows={byFunction}
        id={({ id }) => id}
        none=""
      />
      <h3>Who calls whom</h3>
      <CallGraph edges={edges} />
      <Table
        caption="Calls by caller and function"
        columns={[
          {
            head: "Caller",
            cell: ({ edge }: Row) => (edge.caller ? <code>{edge.caller}</code> : "outside"),
          },
          { head: "Function", names: true, cell: ({ edge }) => <FunctionName edge={edge} /> },
          ...numbers,
        ]}
        rows={byEdge}
        id={({ id }) => id}
        none=""
      />
    </>
  );
}

const numbers = [
  {
    head: "Rate",
    number: true,
    cell: ({ traffic }: Row) => (traffic.seconds ? rate(traffic) : `${traffic.calls} calls`),
  },
  { head: "Success", number: true, cell: ({ traffic }: Row) => <Success traffic={traffic} /> },
  { head: "p50", number: true, cell: ({ traffic }: Row) => duration(percentile(traffic, 50)) },
  { head: "p99", number: true, cell: ({ traffic }: Row) => duration(percentile(traffic, 99)) },
  { head: "Slowest", number: true, cell: ({ traffic }: Row) => duration(slowest(traffic)) },
];

function rows(
  edges: GraphEdge[],
  id: (edge: GraphEdge) => string,
  measure: (edge: GraphEdge) => Traffic,
): Row[] {
  const first = new Map(edges.map((edge) => [id(edge), edge]));
  return [...first]
    .map(([key, edge]) => ({ id: key, edge, traffic: measure(edge) }))
    .sort((a, b) => b.traffic.calls - a.traffic.calls || a.id.localeCompare(b.id));
}

const functionOf = (edge: GraphEdge) =>
  `${edge.app} ${edge.callee} ${edge.version} ${edge.function}`;
const edgeOf = (edge: GraphEdge) => `${edge.caller ?? ""} ${functionOf(edge)}`;

function FunctionName({ edge }: { edge: GraphEdge }) {
  return (
    <>
      <code>{edge.function}</code>
      <span class="why">
        {edge.app}, {edge.callee}, revision {edge.version}
      </span>
    </>
  );
}

function Success({ traffic }: { traffic: Traffic }) {
  if (traffic.failures === 0) return <>{success(traffic)}</>;
  return (
    <>
      <State word={success(traffic)} level="bad" />
      <span class="why">{traffic.failures} failed</span>
    </>
  );
}

/** How many calls took how long. */
function Times({ traffic }: { traffic: Traffic }) {
  const octaves = distribution(traffic);
  if (octaves.length === 0) return <span class="dim">none timed</span>;
  return (
    <details>
      <summary>Distribution</summary>
      <Table
        caption="How long calls took"
        columns={[
          {
            head: "Below",
            names: true,
            cell: (row: (typeof octaves)[number]) => duration(row.below),
          },
          { head: "Calls", number: true, cell: (row) => row.count },
          {
            head: "Share",
            cell: (row) => (
              <meter min={0} max={1} value={row.share} aria-label={`Below ${duration(row.below)}`}>
                {(row.share * 100).toFixed(1)}%
              </meter>
            ),
          },
        ]}
        rows={octaves}
        id={(row) => String(row.below)}
        none=""
      />
    </details>
  );
}
