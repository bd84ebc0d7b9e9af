import { useEffect } from "preact/hooks";
import { nextTheme, theme } from "../theme";
import { active, all, connection, now, show, shown, view } from "../store";
import type { Room } from "../view";
import { duration } from "../format";
import { Details } from "./Details";
import { Filters, focusSearch } from "./Filters";
import { Nodes } from "./Nodes";
import { Registries } from "./Registries";
import { Summary } from "./Summary";
import { Table } from "./Table";

const ROOMS: [Room, string][] = [
  ["pulls", "Pulls"],
  ["nodes", "Nodes"],
  ["registries", "Registries"],
];

export function Page() {
  useEffect(() => {
    const press = (event: KeyboardEvent) => keys(event);
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
        <button class="theme" onClick={nextTheme} title="Colours: system, light, dark" aria-label={`Colours: ${theme.value}`}>
          {{ system: "◐", light: "☀", dark: "☾" }[theme.value]}
        </button>
      </header>
      <Offline />
      <main id="main">
        <Summary />
        <Filters />
        {view.value.room === "pulls" && <Table pulls={shown.value} />}
        {view.value.room === "nodes" && <Nodes pulls={shown.value} />}
        {view.value.room === "registries" && <Registries pulls={shown.value} />}
      </main>
      <Details />
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
    <p class="banner" role="alert">
      <strong>Not connected for {age}.</strong> What you see is as old as that: {state.reason}. Trying again by itself.
    </p>
  );
}

function keys(event: KeyboardEvent): void {
  const typing = event.target instanceof HTMLElement && event.target.matches("input, select, textarea");
  if (event.key === "Escape") {
    if (view.value.open) show({ open: "" });
    else if (event.target instanceof HTMLElement) event.target.blur();
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    focusSearch();
  }
  const room = ROOMS[Number(event.key) - 1]?.[0];
  if (room) show({ room }, true);
}
