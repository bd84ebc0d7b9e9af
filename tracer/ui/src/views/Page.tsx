import { useEffect, useRef } from "preact/hooks";
import { nextTheme, theme } from "../theme";
import { active, all, connection, now, show, shown, view } from "../store";
import type { Room } from "../view";
import { clock, duration } from "../format";
import { closeDetails, Details } from "./Details";
import { Filters, focusSearch } from "./Filters";
import { Icon } from "./Icon";
import { Nodes } from "./Nodes";
import { Registries } from "./Registries";
import { Summary } from "./Summary";
import { Table } from "./Table";

const ROOMS: [Room, string][] = [
  ["pulls", "Pulls"],
  ["nodes", "Nodes"],
  ["registries", "Registries"],
];

const KEYS: [string, string][] = [
  ["/", "search"],
  ["1  2  3", "pulls, nodes, registries"],
  ["↑ ↓  or  k j", "from row to row"],
  ["Home  End", "first and last row"],
  ["Enter", "details of the row, and back"],
  ["Esc", "closes details, leaves the search"],
  ["t", "colours: system, light, dark"],
  ["?", "these keys"],
];

export function Page() {
  const help = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const press = (event: KeyboardEvent) => keys(event, help.current);
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
  useEffect(() => {
    const failed = all.value.filter((pull) => pull.phase === "failed").length;
    document.title = `${active.value.length ? `(${active.value.length}) ` : ""}Image pulls${failed ? ` · ${failed} failed` : ""} · Berth`;
  });
  return (
    <>
      <a class="skip" href="#main">Skip to the pulls</a>
      <header>
        <img src="./favicon.svg" alt="" width="28" height="28" />
        <h1>Image pulls</h1>
        <nav aria-label="Views">
          {ROOMS.map(([room, title]) => (
            <button key={room} aria-current={view.value.room === room ? "page" : undefined} onClick={() => show({ room }, true)}>{title}</button>
          ))}
        </nav>
        <Connection />
        <button class="square help" onClick={() => help.current?.showModal()} aria-label="Keys" title="Keys (?)"><Icon name="keys" /></button>
        <button class="square theme" onClick={nextTheme} title={`Colours: ${theme.value} (t)`} aria-label={`Colours: ${theme.value}`}><Icon name={theme.value} /></button>
      </header>
      <Offline />
      <main id="main" class={connection.value.kind} tabIndex={-1}>
        <Summary />
        <Filters />
        {view.value.room === "pulls" && <Table pulls={shown.value} />}
        {view.value.room === "nodes" && <Nodes pulls={shown.value} />}
        {view.value.room === "registries" && <Registries pulls={shown.value} />}
      </main>
      <Details />
      <dialog ref={help} aria-label="Keys" onClick={(event) => event.target === event.currentTarget && event.currentTarget.close()}>
        <form method="dialog">
          <h2>Keys</h2>
          <dl>{KEYS.map(([key, does]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{does}</dd></div>)}</dl>
          <button>Close</button>
        </form>
      </dialog>
    </>
  );
}

function Connection() {
  const kind = connection.value.kind;
  const text = { connecting: "Connecting", live: "Live", offline: "Offline" }[kind];
  return <span class={`connection ${kind}`} role="status">{text}</span>;
}

function Offline() {
  const state = connection.value;
  if (state.kind !== "offline") return null;
  const age = duration((now.value - state.since) / 1000);
  return (
    <div class="banner">
      <strong><span role="alert">Not connected</span> for {age}.</strong> You see what was known at {clock(new Date(state.since).toISOString(), now.value)}: {state.reason}. The page tries again by itself.
    </div>
  );
}

function keys(event: KeyboardEvent, help: HTMLDialogElement | null): void {
  if (help?.open) return;
  const typing = event.target instanceof HTMLElement && event.target.matches("input, select, textarea");
  if (event.key === "Escape") {
    if (typing) event.target.blur();
    else if (view.value.open) closeDetails();
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    focusSearch();
  }
  if (event.key === "?") help?.showModal();
  if (event.key === "t") nextTheme();
  const room = ROOMS[Number(event.key) - 1]?.[0];
  if (room) show({ room }, true);
}
