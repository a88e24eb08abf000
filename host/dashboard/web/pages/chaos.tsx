// Breaks things, in Forge: nodes by their processes, faults by their kinds, what is in force and
// what was done. Knows no load.

import { useRef, useState } from "preact/hooks";
import type { ForgePageProps } from "../app.tsx";
import { Outcome, useAct } from "../act.tsx";
import { request } from "../api.ts";
import { span } from "../format.ts";
import type { Action, FaultView, ForgeNode, Mark, Process } from "../forge/model.ts";
import { happening, trouble } from "../forge/model.ts";
import { initial, KINDS, order, type Kind, type Values } from "../forge/troubles.ts";
import type { LivePicture } from "../generated/api.ts";
import { FaultField } from "./fields.tsx";
import { LoadCharts } from "./load.tsx";
import { NodeState } from "./overview.tsx";
import { NodeId, State, Table, Time, Title } from "../parts.tsx";

/** Of what was done, the latest. */
const MARKS_SHOWN = 30;

export function Chaos({ picture, secret, forge }: ForgePageProps) {
  const { live } = forge;
  return (
    <>
      <Title>Chaos</Title>
      <InForce faults={live.faults} secret={secret} />
      <LoadCharts forge={forge} />
      <Nodes nodes={live.nodes} picture={picture} secret={secret} />
      <Begin nodes={live.nodes} picture={picture} secret={secret} />
      <Done marks={live.marks} now={live["now-ms"]} />
    </>
  );
}

function InForce({ faults, secret }: { faults: FaultView[]; secret: string }) {
  const doing = useAct();
  const heading = useRef<HTMLHeadingElement>(null);
  const end = async (label: string, path: string) => {
    // What was pressed goes with its fault: the keyboard goes on from here.
    if (await doing.act(label, () => request(secret, "DELETE", path))) heading.current?.focus();
  };
  return (
    <section aria-labelledby="in-force">
      <h2 id="in-force" ref={heading} tabIndex={-1}>
        Faults in force
      </h2>
      <Table
        caption="Faults in force"
        columns={[
          { head: "Fault", names: true, cell: (it: FaultView) => trouble(it.trouble) },
          {
            head: "Time left",
            number: true,
            cell: (it) => (it["left-ms"] > 0 ? span(Math.ceil(it["left-ms"] / 1_000)) : "ending"),
          },
          {
            head: "End",
            cell: (it) => (
              <button
                type="button"
                aria-label={`End: ${trouble(it.trouble)}`}
                aria-disabled={doing.busy !== undefined}
                onClick={() => end("End", `/forge/faults/${it.number}`)}
              >
                End
              </button>
            ),
          },
        ]}
        rows={faults}
        id={(it) => `fault-${it.number}`}
        none="Nothing is made to go wrong."
      />
      <div class="controls">
        {faults.length > 1 && (
          <button
            type="button"
            aria-disabled={doing.busy !== undefined}
            onClick={() => end("End all", "/forge/faults")}
          >
            End all
          </button>
        )}
        <Outcome doing={doing} />
      </div>
    </section>
  );
}

const PROCESS: Record<Process, "good" | "busy" | "warn" | "bad"> = {
  running: "good",
  changing: "busy",
  stopped: "warn",
  down: "bad",
};

interface Deed {
  action: Action;
  label: string;
  possible: boolean;
}

/** What can be done to a node. Each has its place, so that what is focused stays there. */
export function deeds(process: Process, state: string | undefined): Deed[] {
  const runs = process === "running";
  const pause: Deed =
    process === "stopped"
      ? { action: "resume", label: "Resume", possible: true }
      : { action: "stop", label: "Stop", possible: runs };
  const away = state === "DRAINING" || state === "DECOMMISSIONED";
  return [
    { action: "kill", label: "Kill", possible: runs || process === "stopped" },
    pause,
    {
      action: "restart",
      label: process === "down" ? "Start" : "Restart",
      possible: process !== "changing",
    },
    away
      ? { action: "activate", label: "Activate", possible: runs }
      : { action: "drain", label: "Drain", possible: runs },
  ];
}

function Nodes({
  nodes,
  picture,
  secret,
}: {
  nodes: ForgeNode[];
  picture: LivePicture;
  secret: string;
}) {
  const doing = useAct();
  const act = (label: string, path: string) =>
    void doing.act(label, () => request(secret, "POST", path));
  return (
    <section aria-labelledby="forge-nodes">
      <h2 id="forge-nodes">Nodes</h2>
      <Table
        caption="Nodes of this Forge"
        columns={[
          {
            head: "Node",
            names: true,
            cell: (it: ForgeNode) => (
              <>
                {it.number} <NodeId id={it.id} />
              </>
            ),
          },
          { head: "Process", cell: (it) => <State word={it.process} level={PROCESS[it.process]} /> },
          {
            head: "In the cluster",
            cell: (it) => {
              const node = picture.nodes[it.id];
              if (!node) return "not a member";
              return (
                <>
                  <NodeState node={node} /> {node.reachable && node.role}
                </>
              );
            },
          },
          {
            head: "Do",
            cell: (it) => (
              <span class="buttons">
                {deeds(it.process, picture.nodes[it.id]?.state).map(
                  ({ action, label, possible }, place) => (
                    <button
                      key={place}
                      type="button"
                      aria-label={`${label} node ${it.number}`}
                      aria-disabled={!possible || doing.busy !== undefined}
                      onClick={() => {
                        const path = `/forge/nodes/${it.number}/${action}`;
                        if (possible) act(`${label} node ${it.number}`, path);
                      }}
                    >
                      {label}
                    </button>
                  ),
                )}
              </span>
            ),
          },
        ]}
        rows={nodes}
        id={(it) => `node-${it.number}`}
        none="There are no nodes."
      />
      <div class="controls">
        <button
          type="button"
          aria-disabled={doing.busy !== undefined}
          onClick={() => act("Add a node", "/forge/nodes")}
        >
          Add a node
        </button>
        <Outcome doing={doing} />
      </div>
    </section>
  );
}

/** Coordinates without the version, as faults name slices. */
const slices = (picture: LivePicture): string[] => {
  const all = Object.values(picture.applications).flatMap((app) => app.slices);
  const names = all.map(({ artifact }) => artifact.split(":").slice(0, 2).join(":"));
  return [...new Set(names)];
};

function Begin({
  nodes,
  picture,
  secret,
}: {
  nodes: ForgeNode[];
  picture: LivePicture;
  secret: string;
}) {
  const doing = useAct();
  const names = slices(picture);
  const fresh = (kind: Kind) => initial(kind, nodes[0]?.number ?? 1, names[0] ?? "");
  const [kind, setKind] = useState<Kind>(KINDS[3] as Kind);
  const [values, setValues] = useState<Values>(() => fresh(kind));
  const [duration, setDuration] = useState("30s");
  const choose = (word: string) => {
    const chosen = KINDS.find((it) => it.word === word) ?? kind;
    setKind(chosen);
    setValues(fresh(chosen));
  };
  const submit = (event: Event) => {
    event.preventDefault();
    void doing.act(kind.label, () =>
      request(secret, "POST", "/forge/faults", order(kind, values, duration)),
    );
  };
  const functions = [...new Set(Object.values(picture.calls).map((edge) => edge.function))];
  return (
    <section aria-labelledby="begin">
      <h2 id="begin">Make something go wrong</h2>
      <form class="fault" onSubmit={submit} aria-labelledby="begin">
        <div class="field">
          <label for="kind">What</label>
          <select
            id="kind"
            value={kind.word}
            aria-describedby="kind-about"
            onChange={(event) => choose(event.currentTarget.value)}
          >
            {KINDS.map(({ word, label }) => (
              <option key={word} value={word}>
                {label}
              </option>
            ))}
          </select>
          <span id="kind-about" class="dim">
            {kind.about}
          </span>
        </div>
        {kind.fields.map((field) => (
          <FaultField
            key={`${kind.word} ${field.name}`}
            field={field}
            value={values[field.name] ?? ""}
            choices={{ nodes: nodes.map(({ number }) => number), slices: names, functions }}
            change={(value) => setValues({ ...values, [field.name]: value })}
          />
        ))}
        <div class="field">
          <label for="duration">For</label>
          <input
            id="duration"
            value={duration}
            aria-describedby="duration-help"
            onInput={(event) => setDuration(event.currentTarget.value)}
          />
          <span id="duration-help" class="dim">
            Such as 30s or 5m; at most 1h. It ends by itself, and all is as before.
          </span>
        </div>
        <div class="controls">
          <button type="submit" aria-disabled={doing.busy !== undefined}>
            Begin
          </button>
          <Outcome doing={doing} />
        </div>
      </form>
    </section>
  );
}

function Done({ marks, now }: { marks: Mark[]; now: number }) {
  return (
    <section aria-labelledby="done">
      <h2 id="done">What was done</h2>
      <Table
        caption="What was done, the latest first"
        columns={[
          {
            head: "Time",
            cell: (it: Mark) => <Time at={new Date(it["from-ms"]).toISOString()} />,
          },
          { head: "What", names: true, cell: (it) => happening(it.what) },
          {
            head: "Lasted",
            number: true,
            cell: (it) =>
              it["until-ms"] > now
                ? "lasts"
                : `${((it["until-ms"] - it["from-ms"]) / 1_000).toFixed(1)} s`,
          },
        ]}
        rows={marks.slice(-MARKS_SHOWN).reverse()}
        id={(it) => `mark-${it.number}`}
        none="Nothing yet."
      />
    </section>
  );
}
