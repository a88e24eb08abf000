// The frame around the pages: key, connection, navigation, announcements. Knows no page's content.

import { useEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren, JSX } from "preact";
import type { LivePicture } from "./generated/api.ts";
import { browser, Feed, type Link, type View } from "./feed.ts";
import { clock, short } from "./format.ts";
import { changes } from "./health.ts";
import { Desk, type ForgeView } from "./forge/desk.ts";
import { news, type Live, type WatchView } from "./forge/model.ts";
import { Calls } from "./pages/calls.tsx";
import { Chaos } from "./pages/chaos.tsx";
import { Deployments } from "./pages/deployments.tsx";
import { Load } from "./pages/load.tsx";
import { Login } from "./pages/login.tsx";
import { Nodes } from "./pages/nodes.tsx";
import { Overview } from "./pages/overview.tsx";
import { Recorder } from "./traffic.ts";

/** In the tab alone, until it is closed. */
const KEY = "aether-key";
/** Forge prints an address with its key behind this. No browser sends it anywhere. */
const KEY_IN_ADDRESS = "#key=";

/** What every page gets. */
export interface PageProps {
  picture: LivePicture;
  view: View;
  secret: string;
  /** What was counted since the page was opened. */
  recorder: Recorder;
  /** In Forge, when it has answered. */
  forge?: ForgeView | undefined;
}

/** What the pages of Forge get. */
export type ForgePageProps = PageProps & { forge: ForgeView };

interface PageEntry {
  title: string;
  page: (props: PageProps) => JSX.Element;
}

/** Whether Forge serves the page, or a node. */
const IN_FORGE = document.documentElement.dataset["forge"] !== undefined;

/** A page that waits for Forge's first answer. */
const ofForge = (Page: (props: ForgePageProps) => JSX.Element) => (props: PageProps) =>
  props.forge ? <Page {...props} forge={props.forge} /> : <p class="dim">Asking Forge …</p>;

const PAGES: Record<string, PageEntry> = {
  overview: { title: "Overview", page: Overview },
  deployments: { title: "Deployments", page: Deployments },
  calls: { title: "Calls", page: Calls },
  nodes: { title: "Nodes", page: Nodes },
  ...(IN_FORGE && {
    chaos: { title: "Chaos", page: ofForge(Chaos) },
    load: { title: "Load", page: ofForge(Load) },
  }),
};

const here = (): string => {
  const name = window.location.hash.replace(/^#\/?/, "");
  return name in PAGES ? name : "overview";
};

/** The key from the address, which it leaves, or the one of this tab. */
function knownKey(): string | null {
  const { hash } = window.location;
  if (hash.startsWith(KEY_IN_ADDRESS)) {
    sessionStorage.setItem(KEY, decodeURIComponent(hash.slice(KEY_IN_ADDRESS.length)));
    history.replaceState(null, "", "#/overview");
  }
  return sessionStorage.getItem(KEY);
}

export function App(): JSX.Element {
  const [secret, setSecret] = useState(knownKey);
  const [refused, setRefused] = useState(false);
  if (!secret) {
    const enter = (key: string) => {
      sessionStorage.setItem(KEY, key);
      setRefused(false);
      setSecret(key);
    };
    return <Login refused={refused} enter={enter} forge={IN_FORGE} />;
  }
  const leave = (wasRefused: boolean) => {
    sessionStorage.removeItem(KEY);
    setRefused(wasRefused);
    setSecret(null);
  };
  return <Inside secret={secret} leave={leave} />;
}

function Inside({ secret, leave }: { secret: string; leave(refused: boolean): void }) {
  const [view, setView] = useState<View>({ link: { state: "connecting" } });
  const recorder = useRef(new Recorder());
  const said = useAnnouncements(view);
  const forge = useForge(secret);
  useEffect(() => {
    const changed = (view: View) => {
      const { at, picture } = view;
      if (at && picture) recorder.current.push({ at: Date.parse(at), calls: picture.calls });
      setView(view);
    };
    const feed = new Feed(secret, browser, { changed, refused: () => leave(true) });
    return () => feed.close();
  }, [secret]);
  const name = usePage();
  const shown = PAGES[name] ?? { title: "Overview", page: Overview };
  const Page = shown.page;
  useEffect(() => {
    const node = view.picture && ` · ${short(view.picture.node)}`;
    document.title = `${shown.title}${node ?? ""} · Aether`;
  }, [shown.title, view.picture?.node]);
  return (
    <>
      <a class="skip" href="#main" onClick={toMain}>
        Skip to content
      </a>
      <header class="top">
        <span class="brand">{IN_FORGE ? "Aether Forge" : "Aether"}</span>
        <nav aria-label="Pages">
          <ul>
            {Object.entries(PAGES).map(([id, { title }]) => (
              <li key={id}>
                <a href={`#/${id}`} aria-current={id === name ? "page" : undefined}>
                  {title}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="who">
          <LinkState link={view.link} />
          {view.viewer && (
            <span class="dim">
              {view.viewer.name} ({view.viewer.role})
            </span>
          )}
          <button type="button" class="plain" onClick={() => leave(false)}>
            Forget key
          </button>
        </div>
      </header>
      <Banner view={view} />
      <Sources watch={forge?.live.watch} />
      <main id="main" tabIndex={-1}>
        {view.picture ? (
          <Page
            picture={view.picture}
            view={view}
            secret={secret}
            recorder={recorder.current}
            forge={forge}
          />
        ) : (
          <p class="dim">
            {view.link.state === "lost" ? "The node does not answer." : "Asking the node …"}
          </p>
        )}
      </main>
      <div class="heard" role="status" aria-live="polite">
        {said}
      </div>
      {forge && <ForgeNews live={forge.live} />}
    </>
  );
}

/** What Forge says, where there is one. */
function useForge(secret: string): ForgeView | undefined {
  const [view, setView] = useState<ForgeView>();
  useEffect(() => {
    if (!IN_FORGE) return;
    const desk = new Desk(secret, setView);
    return () => desk.close();
  }, [secret]);
  return view;
}

/** What becomes of the application's sources, where they are watched. */
function Sources({ watch }: { watch: WatchView | null | undefined }) {
  const failed = watch?.state === "failed";
  const works = watch?.state === "building" || watch?.state === "rolling-out";
  return (
    <>
      <div role="alert" class={failed ? "banner lost" : "gone"}>
        {failed && (
          <>
            What was written last is not rolled out; what was there goes on serving.
            <pre tabIndex={0} aria-label="Why">
              {watch.said}
            </pre>
          </>
        )}
      </div>
      <div role="status" class={works ? "banner" : "gone"}>
        {works && `${watch.state === "building" ? "Building" : "Rolling out"} ${watch.said}`}
      </div>
    </>
  );
}

/** For ears: what was done, by whomever. */
function ForgeNews({ live }: { live: Live }) {
  const before = useRef(live);
  const [said, setSaid] = useState("");
  useEffect(() => {
    const heard = news(before.current, live);
    before.current = live;
    if (heard.length > 0) setSaid(heard.join(". "));
  }, [live]);
  return (
    <div class="heard" role="status" aria-live="polite">
      {said}
    </div>
  );
}

/** The hash is taken by the pages' names. */
function toMain(event: Event) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

/** The page's name; a new page begins at its top, for the eyes and for the keyboard. */
function usePage(): string {
  const [name, setName] = useState(here);
  const first = useRef(true);
  useEffect(() => {
    const changed = () => setName(here());
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  useEffect(() => {
    if (!first.current) {
      window.scrollTo(0, 0);
      document.querySelector<HTMLElement>("h1")?.focus();
    }
    first.current = false;
  }, [name]);
  return name;
}

/** What has changed since the last picture, in words. */
function useAnnouncements({ link, picture }: View): string {
  const before = useRef<LivePicture>();
  const [said, setSaid] = useState("");
  useEffect(() => {
    const news = before.current && picture ? changes(before.current, picture) : [];
    before.current = picture;
    if (news.length > 0) setSaid(news.join(". "));
  }, [picture]);
  const was = useRef(link.state);
  useEffect(() => {
    if (link.state === "live" && was.current !== "connecting" && was.current !== "live") {
      setSaid("Live again");
    }
    was.current = link.state;
  }, [link.state]);
  return said;
}

const WORDS: Record<Link["state"], [level: string, word: string]> = {
  connecting: ["busy", "connecting"],
  live: ["good", "live"],
  polling: ["warn", "polling"],
  lost: ["bad", "no answer"],
};

function LinkState({ link }: { link: Link }) {
  const [level, word] = WORDS[link.state];
  return (
    <span class={`state ${level}`} data-link={link.state}>
      {word}
    </span>
  );
}

function Banner({ view: { link, picture, at } }: { view: View }) {
  let text: ComponentChildren;
  if (link.state === "polling") {
    text =
      "The live connection is broken. This page asks the node every 2 seconds until it is back.";
  } else if (link.state === "lost") {
    const now = new Date();
    const shown = picture && at ? ` What you see is from ${clock(at, now)}.` : "";
    const others = Object.values(picture?.nodes ?? {}).filter(
      (node) => node.id !== picture?.node && node.reachable && node.api,
    );
    text = (
      <>
        The node does not answer since {clock(link.since.toISOString(), now)}.{shown} Trying again.
        {others.length > 0 && (
          <>
            {" "}
            Other nodes:{" "}
            {others.map((node) => (
              <a key={node.id} href={`${window.location.protocol}//${node.api}/`}>
                {short(node.id)}
              </a>
            ))}
          </>
        )}
      </>
    );
  }
  return (
    <div role="alert" class={text ? `banner ${link.state}` : "gone"}>
      {text}
    </div>
  );
}
