// Something that a person wants done: on its way, done, or refused. Knows not what it is.

import { useState } from "preact/hooks";
import { Refused } from "./api.ts";

export interface Doing {
  /** What is on its way. */
  busy: string | undefined;
  said: string;
  trouble: string;
  /** Whether it was done. A second wish while the first is on its way is none. */
  act(label: string, work: () => Promise<unknown>): Promise<boolean>;
}

export function useAct(): Doing {
  const [busy, setBusy] = useState<string>();
  const [said, setSaid] = useState("");
  const [trouble, setTrouble] = useState("");
  const act = async (label: string, work: () => Promise<unknown>) => {
    if (busy !== undefined) return false;
    setBusy(label);
    setTrouble("");
    let done = true;
    try {
      await work();
      setSaid(`${label}: done`);
    } catch (error) {
      done = false;
      setSaid("");
      setTrouble(error instanceof Refused ? error.message : String(error));
    }
    setBusy(undefined);
    return done;
  };
  return { busy, said, trouble, act };
}

/** For eyes and ears. */
export function Outcome({ doing }: { doing: Doing }) {
  return (
    <>
      <span role="status">{doing.busy ? "On its way …" : doing.said}</span>
      <p role="alert" class="trouble">
        {doing.trouble}
      </p>
    </>
  );
}
