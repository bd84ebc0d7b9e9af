import { now, show, view } from "../store";
import { isActive, isStalled, PHASE_NAMES, UNNAMED } from "../model";
import type { Pull } from "../model";
import { bytes, duration, imageParts, percent, rate, seconds } from "../format";

interface RowProps {
  pull: Pull;
  index: number;
  top: number;
  focusable: boolean;
  onFocus: () => void;
}

export function Row({ pull, index, top, focusable, onFocus }: RowProps) {
  const open = view.value.open === pull.id;
  const toggle = () => show({ open: open ? "" : pull.id });
  const press = (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    toggle();
  };
  return (
    <div
      class={`row ${pull.phase} ${open ? "open" : ""}`}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={open}
      tabIndex={focusable ? 0 : -1}
      style={{ transform: `translateY(${top}px)` }}
      onClick={toggle}
      onKeyDown={press}
      onFocus={onFocus}
    >
      <div role="gridcell" class="state"><State pull={pull} /></div>
      <div role="gridcell" class="image"><Image name={pull.imageRef} /></div>
      <div role="gridcell" class="node">{pull.nodeName ?? "–"}</div>
      <div role="gridcell" class="pods"><Pods pull={pull} /></div>
      <div role="gridcell" class="progress"><Progress pull={pull} /></div>
      <div role="gridcell" class="rate">{isActive(pull) ? rate(pull.bytesPerSec) : ""}</div>
      <div role="gridcell" class="size">{size(pull)}</div>
      <div role="gridcell" class="time"><Time pull={pull} /></div>
    </div>
  );
}

export function State({ pull }: { pull: Pull }) {
  const stalled = isStalled(pull, now.value);
  return (
    <span class={`badge ${stalled ? "stalled" : pull.phase}`}>
      <i aria-hidden="true" />
      {stalled ? "Stalled" : PHASE_NAMES[pull.phase]}
    </span>
  );
}

export function Image({ name }: { name: string }) {
  if (name === UNNAMED || name === "") return <em>not named yet</em>;
  const { registry, repository, tag } = imageParts(name);
  return (
    <span class="name" title={name}>
      {registry && <span class="registry">{registry}/</span>}
      <span class="repository">{repository}</span>
      <span class="tag">{tag}</span>
    </span>
  );
}

function Pods({ pull }: { pull: Pull }) {
  const pods = pull.pods ?? [];
  const first = pods[0];
  if (!first) return <span class="quiet">–</span>;
  const title = pods.map((pod) => `${pod.namespace}/${pod.podName}`).join("\n");
  return <span title={title}>{first.podName}{pods.length > 1 && <b class="more">+{pods.length - 1}</b>}</span>;
}

/** Two bars in one: what came over the network, and under it what is unpacked. */
export function Progress({ pull }: { pull: Pull }) {
  const done = pull.phase === "done";
  const known = pull.totalKnown || done;
  const value = done ? 100 : pull.percent;
  return (
    <>
      <span
        class={`bar ${known ? "" : "unknown"}`}
        role="progressbar"
        aria-label="Downloaded"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={known ? Math.floor(value) : undefined}
      >
        <span class="downloaded" style={{ width: `${value}%` }} />
        <span class="unpacked" style={{ width: `${done ? 100 : (pull.unpackPercent ?? 0)}%` }} />
      </span>
      <span class="percent">{known ? percent(value) : "?"}</span>
    </>
  );
}

function Time({ pull }: { pull: Pull }) {
  if (!isActive(pull)) {
    if (!pull.completedAt) return <>–</>;
    return <span title="How long it took">{duration(seconds(pull.startedAt, Date.parse(pull.completedAt)))}</span>;
  }
  if (pull.etaSeconds) return <span class="eta" title="What is left">{duration(pull.etaSeconds)} left</span>;
  return <span class="quiet" title="Since its start">{duration(seconds(pull.startedAt, now.value))}</span>;
}

function size(pull: Pull): string {
  return pull.totalKnown || pull.phase === "done" ? bytes(pull.totalBytes) : pull.downloadedBytes > 0 ? `${bytes(pull.downloadedBytes)} …` : "–";
}
