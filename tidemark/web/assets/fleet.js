// The page of all shards.

import { $, Now, WORDS, act, ago, ask, button, choices, duration, element, keepLooking, mayAct, moment, retry, root, say, secondsSince, setClock, shardAddress, size } from "./common.js";

const FILTERS = [
  ["all", "all", () => true],
  ["running", "running", (row) => Boolean(row.running || row.waiting)],
  ["missing", "without a backup", (row) => row.health === "missing"],
  ["late", "too old", (row) => row.health === "late"],
  ["failing", "failing", (row) => Boolean(row.trouble) || row.health === "failing"],
  ["fine", "fine", (row) => row.health === "fine"],
];
const time = (text) => (text ? Date.parse(text) : 0);
const ORDERS = {
  stalest: (a, b) => time(a.finished_at) - time(b.finished_at),
  proof: (a, b) => time(a.proven_from) - time(b.proven_from),
  running: (a, b) => Boolean(b.running) - Boolean(a.running) || Boolean(b.waiting) - Boolean(a.waiting) || ORDERS.stalest(a, b),
  size: (a, b) => (b.bytes || 0) - (a.bytes || 0),
  name: () => 0,
};

const lines = new Map(); // by the shard's name
let mark = "", limits = {}, order = [];
const chosen = { filter: "all", ...Object.fromEntries(new URLSearchParams(location.hash.slice(1))) };
if (!FILTERS.some(([key]) => key === chosen.filter)) chosen.filter = "all";

/** A shard's row of the table, made once and refreshed where it changed. */
class Line {
  constructor(shard) {
    this.link = element("a", { href: shardAddress(shard), class: "tm-name", title: shard }, shard);
    this.state = element("span", { class: "tm-state" });
    this.age = element("span");
    this.number = element("span", { class: "tm-quiet" });
    this.fill = element("b");
    this.proven = element("span");
    this.provenNumber = element("span", { class: "tm-quiet" });
    this.size = element("span");
    this.stored = element("span", { class: "tm-quiet" });
    this.now = new Now();
    this.actions = element("td", { role: "cell", class: "tm-actions" });
    this.node = element("tr", { role: "row", "data-shard": shard },
      element("th", { role: "rowheader", scope: "row" }, element("span", { class: "tm-who" }, element("i", { class: "tm-dot", "aria-hidden": "true" }), element("span", {}, this.link, this.state))),
      element("td", { role: "cell", "data-label": "newest" }, this.age, this.number, element("span", { class: "tm-age", "aria-hidden": "true" }, this.fill)),
      element("td", { role: "cell", "data-label": "proven" }, this.proven, this.provenNumber),
      element("td", { role: "cell", "data-label": "size", class: "tm-number" }, this.size, this.stored),
      element("td", { role: "cell", class: "tm-doing" }, this.now.node),
      this.actions);
    this.tile = element("a", { href: shardAddress(shard), tabindex: "-1" });
    this.offered = "";
  }

  show(row) {
    this.row = row;
    this.node.dataset.health = this.tile.dataset.health = row.health;
    this.tile.classList.toggle("running", Boolean(row.running));
    this.tile.title = `${row.shard}: ${WORDS[row.health]}${row.running ? `, ${row.running.step}` : ""}`;
    say(this.state, WORDS[row.health]);
    this.state.title = row.why.join("; ");
    this.age.title = moment(row.finished_at);
    this.proven.title = moment(row.proven_from);
    say(this.number, row.number ? `no. ${row.number}` : "");
    say(this.provenNumber, row.proven ? `no. ${row.proven}` : "");
    say(this.size, size(row.bytes));
    say(this.stored, row.stored_bytes === null ? "" : `+${size(row.stored_bytes)}`);
    this.stored.title = "stored anew by the newest backup";
    const offer = choices(row);
    const key = JSON.stringify(offer);
    if (key !== this.offered) {
      const had = this.actions.contains(document.activeElement);
      this.actions.replaceChildren(...offer.map((choice) => button(choice, row.shard)));
      if (had) (this.actions.firstChild || this.link).focus();
      this.offered = key;
    }
    this.text = [row.shard, row.running?.node, row.running?.step, row.trouble?.message, ...row.why].join(" ").toLowerCase();
    this.tick();
  }

  /** What changes with the time alone. */
  tick() {
    const { row } = this;
    say(this.age, row.finished_at ? ago(row.finished_at) : "none");
    say(this.proven, row.proven_from ? ago(row.proven_from) : "not yet");
    const used = row.finished_at && limits.max_age ? Math.min(1, secondsSince(row.finished_at) / limits.max_age) : 1;
    const width = `${(used * 100).toFixed(1)}%`;
    if (this.fill.style.width !== width) this.fill.style.width = width;
    this.now.show(row);
  }
}

async function look() {
  const facts = await ask(`${root}/api/v1/fleet?since=${encodeURIComponent(mark)}`);
  setClock(facts.at);
  limits = { max_age: duration(facts.limits.max_age), max_proven_age: duration(facts.limits.max_proven_age) };
  const { changes } = facts;
  mark = changes.mark;
  if (changes.whole) {
    lines.clear();
    order = changes.rows.map((row) => row.shard);
  }
  for (const row of changes.rows) {
    if (!lines.has(row.shard)) lines.set(row.shard, new Line(row.shard));
    lines.get(row.shard).show(row);
  }
  if (changes.whole) {
    $("map").replaceChildren(...order.map((name) => lines.get(name).tile));
    $("map").hidden = order.length < 9;
  }
  if (changes.rows.length || changes.whole) arrange();
  $("table").setAttribute("aria-busy", "false");
  say($("live-text"), facts.nodes === 0 ? "no node is there: runs wait" : facts.nodes === 1 ? "live · 1 node" : `live · ${facts.nodes} nodes`);
  $("live").classList.toggle("tm-none", facts.nodes === 0);
  return facts;
}

function wanted(line) {
  const [, , fits] = FILTERS.find(([key]) => key === chosen.filter);
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  return fits(line.row) && words.every((word) => line.text.includes(word));
}

/** Which rows are there, and in which order. Rows are moved only when the order is another one. */
function arrange() {
  const all = order.map((name) => lines.get(name));
  const shown = all.filter(wanted).sort((a, b) => ORDERS[$("order").value](a.row, b.row));
  const body = $("rows"), there = [...body.children];
  if (there.length !== shown.length || shown.some((line, i) => line.node !== there[i])) {
    const focused = document.activeElement;
    body.replaceChildren(...shown.map((line) => line.node));
    if (focused && focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
  }
  $("nothing").hidden = shown.length > 0;
  say($("nothing"), shown.length ? "" : "No shard is like that. Esc shows all of them.");
  count(all);
  const failed = all.filter(({ row }) => row.trouble && !row.running && !row.waiting).length;
  $("retry").hidden = !mayAct || failed === 0;
  say($("retry"), `Re-run what failed (${failed})`);
  $("retry").dataset.count = failed;
  const safe = all.filter((line) => ["fine", "failing"].includes(line.row.health)).length;
  const bytes = all.reduce((sum, line) => sum + (line.row.bytes || 0), 0);
  const some = shown.length < all.length ? ` ${shown.length} shown.` : "";
  say($("summary"), `${safe} of ${all.length} ${all.length === 1 ? "shard is" : "shards are"} within the limits; ${size(bytes)} of databases.${some}`);
}

function count(all) {
  const box = $("counts");
  if (!box.children.length) {
    for (const [key, label] of FILTERS) {
      box.append(element("button", { type: "button", "data-filter": key }, element("b", {}, "0"), element("span", {}, label)));
    }
  }
  FILTERS.forEach(([key, , fits], i) => {
    const node = box.children[i], found = all.filter((line) => fits(line.row)).length;
    say(node.firstChild, String(found));
    node.classList.toggle("tm-zero", found === 0);
    node.setAttribute("aria-pressed", String(chosen.filter === key));
  });
}

function choose(filter) {
  chosen.filter = filter;
  remember();
  arrange();
}

/** The address keeps what was chosen, so that it can be shared and the way back works. */
function remember() {
  const words = new URLSearchParams();
  if (chosen.filter !== "all") words.set("filter", chosen.filter);
  if ($("search").value) words.set("search", $("search").value);
  if ($("order").value !== "stalest") words.set("order", $("order").value);
  history.replaceState(null, "", words.size ? `#${words}` : location.pathname);
}

$("search").value = chosen.search || "";
if (chosen.order in ORDERS) $("order").value = chosen.order;
$("tools").addEventListener("submit", (event) => event.preventDefault());
$("tools").addEventListener("input", () => { remember(); arrange(); });
$("counts").addEventListener("click", (event) => {
  const pressed = event.target.closest("[data-filter]");
  if (pressed) choose(pressed.dataset.filter === chosen.filter ? "all" : pressed.dataset.filter);
});
$("rows").addEventListener("click", (event) => {
  const pressed = event.target.closest("button[data-verb]");
  if (pressed) act(pressed.dataset.verb, pressed.dataset.shard, pressed.dataset.force === "1", pressed, lookNow);
});
$("retry").addEventListener("click", () => retry(Number($("retry").dataset.count), $("retry"), lookNow));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("dialog").open) return;
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    $("search").focus();
  } else if (event.key === "Escape") {
    $("search").value = "";
    choose("all");
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !event.target.matches("select")) {
    const rows = [...$("rows").children];
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const next = rows[event.key === "ArrowDown" ? at + 1 : at - 1];
    if (at < 0 && !typing) return; // the page scrolls, as it should
    event.preventDefault();
    if (next) next.querySelector("a").focus();
    else if (event.key === "ArrowUp") $("search").focus();
  }
});
setInterval(() => { if (!document.hidden) for (const line of lines.values()) if (line.node.isConnected) line.tick(); }, 1000);
const lookNow = keepLooking(look);
