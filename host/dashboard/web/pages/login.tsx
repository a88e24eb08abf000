// Asks for a key. Knows no key's form: the node does.

import { useState } from "preact/hooks";

export function Login(props: { refused: boolean; enter(key: string): void; forge: boolean }) {
  const { refused, enter, forge } = props;
  const [text, setText] = useState("");
  const [missing, setMissing] = useState(false);
  const submit = (event: Event) => {
    event.preventDefault();
    const key = text.trim();
    setMissing(key === "");
    if (key !== "") enter(key);
  };
  const trouble = missing
    ? "A key is needed."
    : refused
      ? "The cluster does not know this key."
      : "";
  return (
    <main class="login">
      <h1>Aether</h1>
      <form onSubmit={submit}>
        <label for="key">Key of the management API</label>
        <input
          id="key"
          type="password"
          autocomplete="off"
          spellcheck={false}
          autofocus
          value={text}
          aria-describedby="key-help key-trouble"
          aria-invalid={trouble !== ""}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <p id="key-trouble" role="alert" class="trouble">
          {trouble}
        </p>
        <button type="submit">Open</button>
        <p id="key-help" class="dim">
          {forge ? (
            <>
              <code>aether forge</code> has printed an address with the key.
            </>
          ) : (
            <>
              The first key is in <code>admin.key</code> in the node's data folder. A key that can
              only read: <code>aether keys create NAME --role viewer</code>.
            </>
          )}{" "}
          It is kept in this tab until you close it, and goes to {forge ? "Forge" : "this node"}{" "}
          alone.
        </p>
      </form>
    </main>
  );
}
