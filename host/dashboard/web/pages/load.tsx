// Load, in Forge: what is sent and what comes of it, and how to change it. Breaks nothing.

import { useEffect, useState } from "preact/hooks";
import type { ForgePageProps } from "../app.tsx";
import { Outcome, useAct } from "../act.tsx";
import { request } from "../api.ts";
import { Chart } from "../chart.tsx";
import { span } from "../format.ts";
import { chartMarks } from "../forge/charts.ts";
import type { ForgeView } from "../forge/desk.ts";
import type { Figures, Report } from "../forge/model.ts";
import { Facts, State, Table, Title } from "../parts.tsx";
import { duration, perSecond } from "../traffic.ts";

export function Load({ secret, forge }: ForgePageProps) {
  const report = forge.live.load?.report;
  return (
    <>
      <Title>Load</Title>
      {report ? (
        <Running report={report} forge={forge} secret={secret} />
      ) : (
        <p class="dim">No load was started yet.</p>
      )}
      <Start secret={secret} runs={report !== undefined && report.progress !== "over"} />
    </>
  );
}

const ms = (value: number): string => duration(Math.round(value * 1_000));

/** Of a hundred requests; what failed is never rounded away. */
const success = ({ success }: Figures): string =>
  typeof success === "number" ? `${Math.floor(success * 100_000) / 1_000}%` : "none ended yet";

const counts = (list: Record<string, number>): string =>
  Object.entries(list)
    .map(([what, count]) => `${count} × ${what}`)
    .join(", ");

/** Failures that are no answer at all; those with a status are among the statuses. */
const silent = ({ failures }: Figures): Record<string, number> =>
  Object.fromEntries(Object.entries(failures).filter(([why]) => !why.startsWith("status ")));

/** Both, in words. */
const endings = (figures: Figures): string =>
  [counts(figures.statuses), counts(silent(figures))].filter((it) => it !== "").join(", ");

function Running({
  report,
  forge,
  secret,
}: {
  report: Report;
  forge: ForgeView;
  secret: string;
}) {
  const { total, progress, factor } = report;
  const now = progress === "over" ? undefined : forge.points.at(-1);
  const level = progress === "running" ? "good" : progress === "paused" ? "warn" : "none";
  const rows = [
    ...report.targets,
    ...(report.targets.length > 1 ? [{ name: "all", figures: total }] : []),
  ];
  return (
    <>
      <section aria-labelledby="load-now">
        <h2 id="load-now">
          The load is <State word={progress} level={level} />
          <span class="dim">
            {" "}
            after {span(report["elapsed-s"])}, {factor} × the rates of its file
          </span>
        </h2>
        <Facts
          facts={[
            ["Sent now", now ? perSecond(now.due ?? 0) : "nothing"],
            ["Failing now", now ? perSecond(now.failed ?? 0) : "nothing"],
            ["p50 now", duration(micros(now?.p50))],
            ["p99 now", duration(micros(now?.p99))],
            ["Success in all", success(total)],
            ["Longest time without an answer", ms(total["longest-gap-ms"])],
          ]}
        />
        {progress !== "over" && <Controls report={report} secret={secret} />}
      </section>
      <LoadCharts forge={forge} />
      <section aria-labelledby="targets">
        <h2 id="targets">Since it was started</h2>
        <Table
          caption="Targets since the load was started"
          columns={[
            { head: "Target", names: true, cell: (it: (typeof rows)[number]) => it.name },
            { head: "Sent", number: true, cell: (it) => it.figures.due },
            { head: "Good", number: true, cell: (it) => it.figures.good },
            { head: "Failed", number: true, cell: (it) => it.figures.failed },
            { head: "Success", number: true, cell: (it) => success(it.figures) },
            { head: "Good/s", number: true, cell: (it) => perSecond(it.figures["per-second"]) },
            { head: "p50", number: true, cell: (it) => ms(it.figures["p50-ms"]) },
            { head: "p99", number: true, cell: (it) => ms(it.figures["p99-ms"]) },
            { head: "Slowest", number: true, cell: (it) => ms(it.figures["max-ms"]) },
            { head: "Answers", cell: (it) => endings(it.figures) || "none yet" },
          ]}
          rows={rows}
          id={(it) => it.name}
          none="It has no targets."
        />
      </section>
    </>
  );
}

const micros = (ms: number | null | undefined): number | null =>
  ms === null || ms === undefined ? null : Math.round(ms * 1_000);

/** What was sent and how long it took, with what was done to the cluster meanwhile. */
export function LoadCharts({ forge }: { forge: ForgeView }) {
  const { points, live } = forge;
  const times = points.map(({ at }) => at);
  if (points.length < 2) return <></>;
  const marks = chartMarks(live);
  return (
    <section aria-labelledby="load-charts">
      <h2 id="load-charts">
        Requests of the load<span class="dim"> each second, with what was done meanwhile</span>
      </h2>
      <div class="charts">
        <Chart
          title="Sent per second"
          times={times}
          show={perSecond}
          marks={marks}
          lines={[
            { label: "sent", colour: "--busy", values: points.map((it) => it.due) },
            {
              label: "failed",
              colour: "--bad",
              dash: [4, 3],
              values: points.map((it) => it.failed),
            },
          ]}
        />
        <Chart
          title="Time from when it was due to the answer"
          times={times}
          show={ms}
          marks={marks}
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
    </section>
  );
}

function Controls({ report, secret }: { report: Report; secret: string }) {
  const doing = useAct();
  const [factor, setFactor] = useState(String(report.factor));
  const paused = report.progress === "paused";
  const steer = (label: string, method: string, path: string, body?: unknown) =>
    void doing.act(label, () => request(secret, method, `/forge/load${path}`, body));
  const set = (factor: number) => {
    setFactor(String(factor));
    steer(`${factor} × the rates`, "PUT", "/factor", { factor });
  };
  const submit = (event: Event) => {
    event.preventDefault();
    set(Number(factor));
  };
  return (
    <form class="controls" onSubmit={submit} aria-label="Controls of the load">
      <label for="factor">Times the rates of its file</label>
      <input
        id="factor"
        class="short"
        type="number"
        min="0"
        max="1000"
        step="any"
        value={factor}
        onInput={(event) => setFactor(event.currentTarget.value)}
      />
      <button type="submit">Set</button>
      <button type="button" onClick={() => set(report.factor / 2)}>
        Half
      </button>
      <button type="button" onClick={() => set(report.factor * 2)}>
        Double
      </button>
      <button
        type="button"
        onClick={() => steer(paused ? "Resume" : "Pause", "POST", paused ? "/resume" : "/pause")}
      >
        {paused ? "Resume" : "Pause"}
      </button>
      <button type="button" onClick={() => steer("Stop", "DELETE", "")}>
        Stop
      </button>
      <Outcome doing={doing} />
    </form>
  );
}

const EXAMPLE = `[[targets]]
method = "GET"
path = "/"
rate = "50/s"
`;

interface LoadFile {
  file: string;
  text: string;
}

function Start({ secret, runs }: { secret: string; runs: boolean }) {
  const doing = useAct();
  const [file, setFile] = useState<LoadFile>({ file: "load.toml", text: EXAMPLE });
  useEffect(() => {
    const last = request<LoadFile>(secret, "GET", "/forge/load/file");
    // There was none yet: the example stays.
    last.then(setFile, () => {});
  }, [secret]);
  const submit = (event: Event) => {
    event.preventDefault();
    void doing.act("Start", () => request(secret, "POST", "/forge/load", file));
  };
  return (
    <section aria-labelledby="start">
      <h2 id="start">{runs ? "Start another load in its place" : "Start a load"}</h2>
      <form onSubmit={submit} aria-labelledby="start">
        <label for="load-file">
          Targets, as in a <code>load.toml</code>
        </label>
        <textarea
          id="load-file"
          rows={14}
          spellcheck={false}
          value={file.text}
          onInput={(event) => setFile({ ...file, text: event.currentTarget.value })}
        />
        <div class="controls">
          <button type="submit" aria-disabled={doing.busy !== undefined}>
            Start
          </button>
          <Outcome doing={doing} />
        </div>
      </form>
    </section>
  );
}
