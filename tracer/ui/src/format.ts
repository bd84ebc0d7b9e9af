// Numbers and names as people read them. Bytes are counted in powers of 1024, as kubelets and `crictl` print them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(count: number): string {
  let value = Math.max(0, count);
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** `53.4 of 92.0 MiB`: the unit once when it is the same. */
export function bytesOf(part: number, whole: number): string {
  const [a, b] = [bytes(part), bytes(whole)];
  const unit = b.slice(b.indexOf(" "));
  return `${a.endsWith(unit) ? a.slice(0, -unit.length) : a} of ${b}`;
}

const NAMES = new Intl.Collator("en", { numeric: true });

/** The order of names: worker-2 before worker-10. */
export function byName(a: string, b: string): number {
  return NAMES.compare(a, b);
}

export function count(number: number): string {
  return number.toLocaleString("en");
}

export function rate(bytesPerSecond: number): string {
  return bytesPerSecond >= 1 ? `${bytes(bytesPerSecond)}/s` : "–";
}

export function duration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function percent(value: number): string {
  // 99.97 % is not all of it.
  return `${value >= 100 ? 100 : Math.floor(value)} %`;
}

export function shortDigest(digest: string): string {
  const hex = digest.slice(digest.lastIndexOf(":") + 1);
  return hex.slice(0, 12);
}

export interface ImageParts {
  registry: string;
  repository: string;
  tag: string;
}

/** Cuts an image reference for display: `host:5000/a/b:1` is registry `host:5000`, repository `a/b`, tag `:1`. */
export function imageParts(image: string): ImageParts {
  const at = image.indexOf("@");
  const name = at < 0 ? image : image.slice(0, at);
  const digest = at < 0 ? "" : `@${shortDigest(image.slice(at + 1))}`;
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isHost = first.includes(".") || first.includes(":") || first === "localhost";
  const registry = isHost ? first : "";
  const path = isHost ? name.slice(slash + 1) : name;
  const colon = path.lastIndexOf(":");
  const hasTag = colon > path.lastIndexOf("/");
  return {
    registry,
    repository: hasTag ? path.slice(0, colon) : path,
    tag: (hasTag ? path.slice(colon) : "") + digest,
  };
}

/** The time of day, and the day when it was another one. */
export function clock(time: string, now: number): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "–";
  const hour = date.toLocaleTimeString("en-GB");
  const isToday = date.toDateString() === new Date(now).toDateString();
  return isToday ? hour : `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${hour}`;
}

/** How long ago, in its largest unit: nobody counts the seconds of yesterday. */
export function ago(seconds: number): string {
  if (seconds < 5) return "just now";
  const [whole, unit] = duration(seconds).split(" ");
  return `${whole} ${unit} ago`;
}

export function seconds(from: string, to: number): number {
  return Math.max(0, (to - Date.parse(from)) / 1000);
}
