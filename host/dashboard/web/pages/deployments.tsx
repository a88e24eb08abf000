// Applications: what is wanted, what is there, why not, and the way from one version to the next.
// Knows no traffic.

import { useRef, useState } from "preact/hooks";
import type { PageProps } from "../app.tsx";
import type {
  Application,
  Instance,
  LivePicture,
  Reason,
  RolloutEvent,
  RolloutStatus,
  Slice,
} from "../generated/api.ts";
import { Outcome, useAct } from "../act.tsx";
import { request } from "../api.ts";
import { activeInstances, answers } from "../health.ts";
import { Facts, NodeId, State, Table, Time, Title } from "../parts.tsx";

export function Deployments({ picture, view, secret }: PageProps) {
  const applications = Object.values(picture.applications);
  const mayChange = view.viewer?.role !== "viewer";
  return (
    <>
      <Title>Deployments</Title>
      {applications.length === 0 && (
        <p class="dim">
          Nothing is deployed: <code>aether deploy</code> does that.
        </p>
      )}
      {applications.map((app) => (
        <ApplicationSection
          key={app.name}
          picture={picture}
          app={app}
          rollout={picture.rollouts[app.name]}
          secret={secret}
          mayChange={mayChange}
        />
      ))}
    </>
  );
}

interface SectionProps {
  picture: LivePicture;
  app: Application;
  rollout: RolloutStatus | undefined;
  secret: string;
  mayChange: boolean;
}

function ApplicationSection({ picture, app, rollout, secret, mayChange }: SectionProps) {
  const id = `app-${app.name}`;
  return (
    <article aria-labelledby={id}>
      <h2 id={id}>
        {app.name} <State word={app.phase} />
        <span class="dim">
          {" "}
          version {app.version}, revision {app.revision}
        </span>
      </h2>
      {rollout && <Rollout rollout={rollout} secret={secret} mayChange={mayChange} />}
      <Table
        caption={`Slices of ${app.name}`}
        columns={[
          { head: "Slice", names: true, cell: (slice: Slice) => <code>{slice.artifact}</code> },
          { head: "Wanted", number: true, cell: (slice) => <Wanted slice={slice} /> },
          { head: "Planned", number: true, cell: (slice) => slice.planned },
          { head: "Active", number: true, cell: (slice) => activeInstances(picture, [slice]) },
          { head: "Instances", cell: (slice) => <Instances picture={picture} slice={slice} /> },
        ]}
        rows={app.slices}
        id={(slice) => slice.artifact}
        none="It has no slices."
      />
      {(app.notes ?? []).length > 0 && (
        <>
          <h3>What the plan could not do, or not yet</h3>
          <ul class="reasons">
            {(app.notes ?? []).map((note) => (
              <li key={`${note.kind} ${note.place}`}>
                <State word={note.kind} level="warn" /> {note.place} <Why reason={note.reason} />
              </li>
            ))}
          </ul>
        </>
      )}
    </article>
  );
}

/** How many, within which bounds, and why they were changed last. */
function Wanted({ slice }: { slice: Slice }) {
  const { scaling } = slice;
  if (!scaling) return <>{slice.desired}</>;
  const { changed } = scaling;
  return (
    <>
      {slice.desired}
      <span class="dim">
        {" "}
        of {scaling.min} to {scaling.max}
      </span>
      {changed && (
        <span class="why">
          {changed.from} to {changed.to}: {changed.reason} (<Time at={changed.at} />)
        </span>
      )}
    </>
  );
}

function Instances({ picture, slice }: { picture: LivePicture; slice: Slice }) {
  const missing = slice.desired - slice.planned;
  return (
    <>
      <ul class="instances">
        {slice.instances.map((instance: Instance) => (
          <li key={`${instance.ordinal} ${instance.node}`}>
            <NodeId id={instance.node} />{" "}
            {answers(picture, instance.node) ? (
              <State word={instance.state} />
            ) : (
              <State word={`NO ANSWER, WAS ${instance.state}`} level="bad" />
            )}
            {instance.reason && <Why reason={instance.reason} />}
          </li>
        ))}
      </ul>
      {missing > 0 && slice.reasons.length === 0 && (
        <span class="why">{missing} not planned yet</span>
      )}
      {slice.reasons.map((reason) => (
        <Why key={reason.code + reason.message} reason={reason} />
      ))}
    </>
  );
}

function Why({ reason }: { reason: Reason }) {
  return (
    <span class="why">
      {reason.message} <code>{reason.code}</code>
      {reason.retryable ? " (is tried again)" : ""}
    </span>
  );
}

interface Control {
  command: string;
  label: string;
  /** Asked before it is done, where it cannot be taken back. */
  ask?: string;
}

/** What can be done to a rollout as it is. */
export function controls(rollout: RolloutStatus): Control[] {
  if (rollout.phase === "ENDED" || rollout.phase === "WANTED") return [];
  const pause: Control = rollout.paused
    ? { command: "resume", label: "Resume" }
    : { command: "pause", label: "Pause" };
  const back: Control = { command: "rollback", label: "Roll back" };
  if (rollout.phase === "ROLLING_BACK") return [pause];
  if (rollout.strategy === "a-b") {
    const ask = (version: number) => `All traffic goes to revision ${version} for good.`;
    return [
      { command: "conclude-old", label: "Conclude: old", ask: ask(rollout.old) },
      { command: "conclude-new", label: "Conclude: new", ask: ask(rollout.new) },
      pause,
      back,
    ];
  }
  const complete = `All traffic goes to revision ${rollout.new} at once, without the stages that are left.`;
  return [
    { command: "promote", label: "Promote" },
    pause,
    { command: "complete", label: "Complete", ask: complete },
    back,
  ];
}

function Rollout({
  rollout,
  secret,
  mayChange,
}: {
  rollout: RolloutStatus;
  secret: string;
  mayChange: boolean;
}) {
  const id = `rollout-${rollout.app}`;
  const going = rollout.phase !== "ENDED";
  const possible = controls(rollout);
  const stage = rollout.stage ? `${rollout.stage} of ${rollout.stages.length}` : "none";
  const waits = rollout["waits-for"];
  return (
    <section aria-labelledby={id} class={`rollout ${going ? "going" : "ended"}`}>
      <h3 id={id}>
        Rollout: {rollout.strategy}, revision {rollout.old} to {rollout.new}{" "}
        <State word={rollout.phase} /> {rollout.paused && <State word="PAUSED" level="warn" />}
      </h3>
      {going ? (
        <>
          <Facts
            facts={[
              ["Stage", stage],
              ["Since", <Time at={rollout.since} />],
              [
                "Waits for",
                waits && !Number.isNaN(Date.parse(waits)) ? (
                  <Time at={waits} />
                ) : (
                  (waits ?? "nothing")
                ),
              ],
              ["Attempt", String(rollout.attempt)],
            ]}
          />
          <Shares rollout={rollout} />
          {mayChange ? (
            possible.length > 0 && (
              <Controls app={rollout.app} secret={secret} possible={possible} />
            )
          ) : (
            <p class="dim">Controls need a key with the role operator.</p>
          )}
        </>
      ) : (
        <p>
          <span>{rollout.outcome}</span>{" "}
          <span class="dim">
            at <Time at={rollout.since} />
          </span>
        </p>
      )}
      <details>
        <summary>History</summary>
        <Table
          caption={`History of the rollout of ${rollout.app}`}
          columns={[
            {
              head: "Time",
              cell: (event: RolloutEvent & { key: string }) => <Time at={event.at} />,
            },
            { head: "Event", names: true, cell: (event) => event.event },
          ]}
          rows={rollout.history.map((event, i) => ({ ...event, key: String(i) })).reverse()}
          id={(event) => event.key}
          none="Nothing has happened yet."
        />
      </details>
    </section>
  );
}

function Shares({ rollout }: { rollout: RolloutStatus }) {
  const rows = [
    { version: "old", revision: rollout.old },
    { version: "new", revision: rollout.new },
  ].map((row) => ({ ...row, share: rollout.weights[String(row.revision)] ?? "0%" }));
  return (
    <Table
      caption="Shares of the traffic"
      columns={[
        { head: "Version", names: true, cell: (row: (typeof rows)[number]) => row.version },
        { head: "Revision", number: true, cell: (row) => row.revision },
        { head: "Share", number: true, cell: (row) => row.share },
        {
          head: "Of all requests",
          cell: (row) => (
            <meter
              min={0}
              max={100}
              value={Number.parseFloat(row.share)}
              aria-label={`Share of ${row.version}`}
            >
              {row.share}
            </meter>
          ),
        },
      ]}
      rows={rows}
      id={(row) => row.version}
      none="Nothing is shared."
    />
  );
}

function Controls({ app, secret, possible }: { app: string; secret: string; possible: Control[] }) {
  const doing = useAct();
  const [asked, setAsked] = useState<Control>();
  const dialog = useRef<HTMLDialogElement>(null);
  const act = (control: Control) =>
    doing.act(control.label, () =>
      request<RolloutStatus>(secret, "POST", `/api/rollouts/${app}/${control.command}`),
    );
  const click = (control: Control) => {
    if (doing.busy) return;
    if (!control.ask) return void act(control);
    setAsked(control);
    dialog.current?.showModal();
  };
  return (
    <div class="controls" role="group" aria-label={`Controls of the rollout of ${app}`}>
      {possible.map((control) => (
        <button
          key={control.command}
          type="button"
          aria-disabled={doing.busy !== undefined}
          onClick={() => click(control)}
        >
          {control.label}
        </button>
      ))}
      <Outcome doing={doing} />
      <dialog ref={dialog} aria-labelledby={`ask-${app}`}>
        <form method="dialog">
          <h4 id={`ask-${app}`}>
            {asked?.label} {app}?
          </h4>
          <p>{asked?.ask}</p>
          <button type="submit" onClick={() => asked && act(asked)}>
            {asked?.label}
          </button>
          <button type="submit" class="plain">
            Cancel
          </button>
        </form>
      </dialog>
    </div>
  );
}
