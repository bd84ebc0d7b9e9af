import { useEffect, useRef, useState } from "preact/hooks";
import { connection, older, show, view } from "../store";
import { readOlder } from "../stream";
import type { Order } from "../view";
import { hasFilter, NO_FILTER } from "../view";
import type { Pull } from "../model";
import { count } from "../format";
import { Row } from "./Row";

const COLUMNS: [Order, string, string][] = [
  ["state", "State", "state"],
  ["image", "Image", "image"],
  ["node", "Node and pod", "where"],
  ["progress", "Progress", "progress"],
  ["size", "Size", "size"],
  ["speed", "Speed", "rate"],
  ["time", "Time", "time"],
];
/** Rows beyond the edges that are there before the eye comes. */
const SPARE = 8;

/** Only the rows that can be seen exist, so a thousand pulls are as smooth as ten. */
export function Table({ pulls }: { pulls: Pull[] }) {
  const box = useRef<HTMLDivElement>(null);
  const [scroll, setScroll] = useState(0);
  const { height, row } = useSize(box);
  const first = Math.max(0, Math.floor(scroll / row) - SPARE);
  const last = Math.min(pulls.length, Math.ceil((scroll + height) / row) + SPARE);
  const selected = useSelection(pulls, box, row);

  return (
    <div class="table" role="grid" aria-label="Image pulls" aria-rowcount={pulls.length + 1} aria-colcount={COLUMNS.length}>
      <div class="row head" role="row">
        {COLUMNS.map(([order, title, name]) => <Head key={name} order={order} title={title} name={name} />)}
      </div>
      {pulls.length === 0 ? (
        <Empty />
      ) : (
        <div class="scroll" ref={box} onScroll={(event) => setScroll(event.currentTarget.scrollTop)} onKeyDown={selected.press}>
          <div class="rows" style={{ height: `${pulls.length * row}px` }}>
            {pulls.slice(first, last).map((pull, index) => (
              <Row
                key={pull.id}
                pull={pull}
                index={first + index}
                top={(first + index) * row}
                focusable={selected.index === first + index}
                onFocus={() => selected.set(pull.id)}
              />
            ))}
          </div>
          {older.value > 0 && (
            <p class="older">
              {count(older.value)} older ones ended before these. <button onClick={() => void readOlder()}>Show more</button>
            </p>
          )}
        </div>
      )}
    </div>
  );
}

function Head({ order, title, name }: { order: Order; title: string; name: string }) {
  const { order: now, descending } = view.value;
  const sorted = order === now;
  return (
    <div role="columnheader" class={name} aria-sort={sorted ? (descending ? "descending" : "ascending") : undefined}>
      <button onClick={() => show({ order, descending: sorted ? !descending : false })}>
        {title}
        <span aria-hidden="true">{sorted ? (descending ? " ↓" : " ↑") : ""}</span>
      </button>
    </div>
  );
}

function Empty() {
  if (hasFilter(view.value)) {
    return (
      <div class="empty">
        <h2>No pull matches</h2>
        <p>Other words, or <button onClick={() => show(NO_FILTER)}>clear the filters</button>.</p>
      </div>
    );
  }
  if (connection.value.kind === "connecting") return <div class="empty"><h2>Reading…</h2></div>;
  return (
    <div class="empty">
      <h2>No image is being pulled</h2>
      <p>Pulls appear here within a second of their start, on every node where an agent runs. The view “Nodes” shows which those are.</p>
    </div>
  );
}

/** The height of the window onto the rows and of a row, which is taller on a narrow screen. */
function useSize(box: { current: HTMLDivElement | null }): { height: number; row: number } {
  const [size, setSize] = useState({ height: 800, row: 56 });
  useEffect(() => {
    const measure = () => {
      const row = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row")) || 56;
      const height = box.current?.clientHeight ?? 800;
      setSize((before) => (before.height === height && before.row === row ? before : { height, row }));
    };
    measure();
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  });
  return size;
}

/** One row can be reached with Tab; arrows move from there. */
function useSelection(pulls: Pull[], box: { current: HTMLDivElement | null }, row: number) {
  const [id, set] = useState("");
  const found = pulls.findIndex((pull) => pull.id === id);
  const index = found < 0 ? 0 : found;
  const press = (event: KeyboardEvent) => {
    const to = target(event.key, index, pulls.length, Math.floor((box.current?.clientHeight ?? row) / row));
    const pull = to === undefined ? undefined : pulls[to];
    if (to === undefined || !pull) return;
    event.preventDefault();
    set(pull.id);
    if (view.value.open) show({ open: pull.id });
    const scroll = box.current;
    if (!scroll) return;
    if (to * row < scroll.scrollTop) scroll.scrollTop = to * row;
    if ((to + 1) * row > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = (to + 1) * row - scroll.clientHeight;
    requestAnimationFrame(() => scroll.querySelector<HTMLElement>(`[aria-rowindex="${to + 2}"]`)?.focus({ preventScroll: true }));
  };
  return { index, set, press };
}

function target(key: string, index: number, count: number, page: number): number | undefined {
  switch (key) {
    case "ArrowDown":
    case "j":
      return Math.min(index + 1, count - 1);
    case "ArrowUp":
    case "k":
      return Math.max(index - 1, 0);
    case "PageDown":
      return Math.min(index + page, count - 1);
    case "PageUp":
      return Math.max(index - page, 0);
    case "Home":
      return 0;
    case "End":
      return count - 1;
    default:
      return undefined;
  }
}
