// What both pages share: words for numbers, the way to the server, buttons.

export const $ = (id) => document.getElementById(id);

/** An element with attributes and children; text is set as text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key === "class") made.className = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Sets a text only when it is another one: most of a page does not change. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Numbers as `tidemark status` writes them ---------------------------------------------------------------------------

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB", "PB"];
  let value = bytes, unit = "B";
  for (unit of units) {
    value /= 1000;
    if (value < 999.5) break;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

export function span(seconds) {
  let left = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    if (left >= length || (unit === "s" && !parts.length)) {
      parts.push(`${Math.floor(left / length)} ${unit}`);
      left %= length;
    } else if (parts.length) {
      break;
    }
  }
  return parts.slice(0, 2).join(" ");
}

/** A count in few letters, for an axis. */
export const short = (value) => new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value);

export function rate(value, unit) {
  if (!value) return "";
  return unit === "B" ? `${size(Math.round(value))}/s` : `${Math.round(value).toLocaleString("en")} ${unit}/s`;
}

export const moment = (text) => text ? `${new Date(text).toISOString().slice(0, 19).replace("T", " ")} UTC` : "";

let ahead = 0;
/** The server's clock counts, not this machine's. */
export const setClock = (at) => { ahead = Date.parse(at) - Date.now(); };
export const now = () => Date.now() + ahead;
export const secondsSince = (text) => (now() - Date.parse(text)) / 1000;
export const ago = (text) => text ? `${span(secondsSince(text))} ago` : "never";

/** An ISO 8601 duration of the server, in seconds. */
export function duration(text) {
  const found = /^(-)?P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$/.exec(text || "");
  if (!found) return null;
  const [, , days, hours, minutes, seconds] = found;
  return (days || 0) * 86400 + (hours || 0) * 3600 + (minutes || 0) * 60 + Number(seconds || 0);
}

export const WORDS = { fine: "fine", failing: "needs a look", late: "too old", missing: "no backup" };

// The server --------------------------------------------------------------------------------------------------------

const place = document.querySelector(".tm");
export const root = place.dataset.root;
const shardPath = (shard) => shard.split("/").map(encodeURIComponent).join("/");
export const shardAddress = (shard) => `${root}/${shardPath(shard)}`;
export const shardFacts = (shard) => `${root}/api/v1/shard/${shardPath(shard)}`;
export const mayAct = !place.dataset.mayNotAct;

export class Refused extends Error {}

/** JSON of the server; throws `Refused` with words for a person. */
export async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", signal: AbortSignal.timeout(20000), ...options });
  } catch {
    throw new Refused("Flower does not answer. Is it running?");
  }
  if (answer.status === 401) throw new Refused("The login is over: load the page again.");
  const facts = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused([facts?.error || `Flower says ${answer.status}`, facts?.hint].filter(Boolean).join(". Hint: "));
  if (facts === null) throw new Refused("Flower answers with something else. Is the login over?");
  return facts;
}

/** Calls `look` every two seconds while somebody sees the page; gives a function that looks now. */
export function keepLooking(look) {
  let timer = 0, busy = false, again = false;
  async function round() {
    clearTimeout(timer);
    if (busy) { again = true; return; }
    busy = true;
    try {
      const facts = await look();
      if (facts !== null) complain("");
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      complain(error.message);
    } finally {
      busy = false;
      if (again) { again = false; round(); }
      else if (!document.hidden) timer = setTimeout(round, 2000);
    }
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) round(); });
  round();
  return round;
}

function complain(text) {
  const box = $("trouble");
  if (box.hidden !== !text) box.hidden = !text;
  say(box, text ? `${text} What you see below is not current.` : "");
  place.classList.toggle("tm-stale", Boolean(text));
}

// Buttons -----------------------------------------------------------------------------------------------------------

export function toast(text, bad = false) {
  const shown = element("div", { class: bad ? "tm-toast tm-bad" : "tm-toast" }, text);
  $("toasts").append(shown);
  setTimeout(() => shown.remove(), bad ? 12000 : 5000);
}

/** Asks a person; true when the answer is yes. */
function confirmed(title, text, no, yes, danger) {
  const dialog = $("dialog");
  say($("dialog-title"), title);
  say($("dialog-text"), text);
  say($("dialog-no"), no);
  say($("dialog-yes"), yes);
  $("dialog-yes").classList.toggle("tm-danger", danger);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

/** Runs or cancels; `look` is called at once when the server has taken it. */
export async function act(verb, shard, force, button, look) {
  if (verb === "cancel" && !(await confirmed(`Cancel the run of ${shard}?`, "What it has done so far is thrown away. Complete backups stay as they are.", "Keep it running", "Cancel the run", true))) return;
  await post(`${shardFacts(shard)}/${verb}`, { force: force ? "1" : "0" }, button, look);
}

/** Runs again what failed. */
export async function retry(count, button, look) {
  if (await confirmed(`Re-run ${count} failed ${count === 1 ? "shard" : "shards"}?`, "Each is enqueued ahead of the scheduled runs, unless it is running or waiting already.", "Not now", "Re-run", false)) {
    await post(`${root}/api/v1/retry`, {}, button, look);
  }
}

async function post(address, fields, button, look) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    const done = await ask(address, { method: "POST", body: new URLSearchParams(fields), headers: { "X-XSRFToken": place.dataset.xsrf } });
    toast(done.message);
    await look();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    toast(error.message, true);
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

/** What can be done about a shard now: `[verb, label, force, title]` each. */
export function choices(row) {
  if (!mayAct) return [];
  if (row.running || row.waiting) return [["cancel", "Cancel", false, "End this run; its clean-up leaves nothing behind"]];
  if (row.trouble) return [["run", "Re-run", true, "Try the failed run again, ahead of the scheduled ones"]];
  return [["run", "Run", false, "Back it up now, ahead of the scheduled runs"]];
}

export function button([verb, label, force, title], shard) {
  return element("button", {
    type: "button", class: verb === "cancel" ? "tm-button tm-danger" : "tm-button", title,
    "data-verb": verb, "data-force": force ? "1" : "0", "data-shard": shard, "aria-label": `${label} ${shard}`,
  }, label);
}

// What a run is doing -----------------------------------------------------------------------------------------------

const STEPS = ["restore", "catchup", "stop", "upload"];

/** The step with its bar; kept and refreshed in place, so that bars move and do not jump. */
export class Now {
  /** `whole`: the error with its hint and where it was raised. */
  constructor(whole = false) {
    this.whole = whole;
    this.words = element("span", { class: "tm-words" });
    this.more = element("span", { class: "tm-quiet tm-more" });
    this.bar = element("span", { class: "tm-bar" });
    this.parts = STEPS.map((step) => element("i", { "data-step": step, title: step }, element("b")));
    this.bar.append(...this.parts);
    this.node = element("div", { class: "tm-now" }, element("span", { class: "tm-line" }, this.words, this.more), this.bar);
  }

  show(row) {
    const { running, trouble } = row;
    this.node.dataset.kind = running ? "running" : row.waiting ? "queued" : trouble ? "trouble" : "idle";
    this.bar.hidden = !running;
    if (running) {
      const done = running.fraction === null ? "" : `${Math.floor(running.fraction * 100)} %`;
      say(this.words, [running.step, done].filter(Boolean).join(" "));
      say(this.more, [running.phase, rate(running.rate, running.unit), running.eta ? `${span(running.eta)} left` : "", running.detail, `on ${running.node}`].filter(Boolean).join(" · "));
      const at = STEPS.indexOf(running.step);
      this.parts.forEach((part, i) => {
        part.className = i < at ? "done" : i > at ? "" : running.fraction === null ? "busy" : "now";
        part.firstChild.style.width = i < at ? "100%" : i === at && running.fraction !== null ? `${running.fraction * 100}%` : "0";
      });
      this.node.setAttribute("role", "progressbar");
      this.node.setAttribute("aria-valuetext", `${running.step} ${running.phase} ${done}`.trim());
      this.node.setAttribute("aria-label", `Run of ${row.shard}`);
      if (running.fraction === null) this.node.removeAttribute("aria-valuenow");
      else this.node.setAttribute("aria-valuenow", Math.floor(running.fraction * 100));
    } else {
      for (const name of ["role", "aria-valuetext", "aria-valuenow", "aria-label"]) this.node.removeAttribute(name);
      if (row.waiting) {
        say(this.words, "waiting");
        say(this.more, `for ${row.waiting}`);
      } else if (trouble) {
        say(this.words, `${trouble.step} failed ${ago(trouble.at)}`);
        say(this.more, this.whole ? [trouble.message, trouble.hint && `Try: ${trouble.hint}`, trouble.place && `(${trouble.place})`].filter(Boolean).join("\n") : trouble.message);
      } else {
        say(this.words, "idle");
        say(this.more, row.why.filter((reason) => !/^(no |newest )/.test(reason)).join("; "));
      }
    }
  }
}
