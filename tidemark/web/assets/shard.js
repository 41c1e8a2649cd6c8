// A shard's own page.

import { $, Now, WORDS, act, ago, ask, button, choices, duration, element, keepLooking, mayAct, moment, rate, say, secondsSince, setClock, shardFacts, short, size, span } from "./common.js";
import { Plot } from "./plots.js";

const shard = document.querySelector(".tm").dataset.shard;
const STEPS = ["restore", "catchup", "stop", "upload"];
const of = (name) => (run) => run[name] ?? null;
const speed = (bytes, step) => (run) => run[bytes] && run.seconds[step] ? run[bytes] / run.seconds[step] : null;

const plots = [
  new Plot({
    title: "Duration per step", stacked: true, kind: "seconds", words: span,
    series: STEPS.map((step) => ({ label: step, color: `var(--${step})`, value: (run) => run.seconds[step] ?? null })),
  }),
  new Plot({ title: "Size of the databases", words: size, series: [{ label: "size", color: "var(--restore)", value: of("bytes") }] }),
  new Plot({ title: "Stored anew", stacked: true, words: size, series: [{ label: "stored", color: "var(--upload)", value: of("stored_bytes") }] }),
  new Plot({
    title: "Throughput", words: (value) => rate(value, "B") || "0",
    series: [
      { label: "restore", color: "var(--restore)", value: speed("bytes", "restore") },
      { label: "upload", color: "var(--upload)", value: speed("bytes", "upload") },
    ],
  }),
  new Plot({
    title: "Catch-up lag", kind: "seconds", words: span, empty: "no run has caught up yet",
    series: [{ label: "age of the restored data", color: "var(--catchup)", value: of("lag_seconds") }],
  }),
  new Plot({
    title: "Transactions caught up", stacked: true, words: (value) => Math.round(value).toLocaleString("en"), axis: short,
    series: [{ label: "transactions", color: "var(--catchup)", value: of("transactions") }],
  }),
];
$("plots").append(...plots.map((plot) => plot.node));

const now = new Now(true);
$("now").append(now.node);
let newest = null, offered = "", told = "";

async function look() {
  const story = await ask(shardFacts(shard));
  setClock(story.at);
  newest = story;
  const { row } = story;
  $("shard").dataset.health = row.health;
  for (const plot of plots) plot.show(story.runs);
  const offer = offers(row), key = JSON.stringify(offer);
  if (key !== offered) {
    const had = $("buttons").contains(document.activeElement);
    $("buttons").replaceChildren(...offer.map((choice) => button(choice, shard)));
    if (had) $("buttons").firstChild?.focus();
    offered = key;
  }
  past(story.runs);
  tick();
  return story;
}

/** On a shard's own page a run can be had even if the newest backup is young. */
function offers(row) {
  const made = choices(row);
  if (mayAct && made[0][0] === "run" && !row.trouble) {
    made.push(["run", "Re-run", true, "Also when the newest backup is younger than cycle.min_interval"]);
  }
  return made;
}

function tick() {
  if (!newest) return;
  const { row, limits } = newest;
  now.show(row);
  const why = row.why.filter((reason) => !reason.includes(" failed")); // that is told below, as a whole
  const verdict = row.why.length ? [WORDS[row.health], why.join("; ")].filter(Boolean).join(": ") : "fine: within its limits";
  if ($("verdict").textContent !== verdict) $("verdict").replaceChildren(element("span", { class: "tm-state" }, verdict));
  const facts = [
    ["newest backup", row.finished_at ? ago(row.finished_at) : "none", row.number ? `no. ${row.number}, ${moment(row.finished_at)}` : ""],
    ["newest proven backup", row.proven_from ? ago(row.proven_from) : "none yet", row.proven ? `backup ${row.proven} was restored, started and replicated past` : "the next run proves the newest backup"],
    ["size", size(row.bytes), row.stored_bytes === null ? "" : `${size(row.stored_bytes)} stored anew`],
    ["limit", span(duration(limits.max_age) || 0), left(row)],
  ];
  if (newest.position) facts.push(["position", newest.position, ""]);
  const box = $("facts");
  facts.forEach(([name, value, note], i) => {
    let node = box.children[i];
    if (!node) {
      node = element("div", { class: name === "position" ? "tm-wide" : "" }, element("dt", {}, name), element("dd", {}, element("span"), element("small")));
      box.append(node);
    }
    say(node.querySelector("span"), value);
    say(node.querySelector("small"), note);
  });
  while (box.children.length > facts.length) box.lastChild.remove();
}

function left(row) {
  if (!row.late_at) return "for the newest backup's age";
  const over = secondsSince(row.late_at);
  return over > 0 ? `passed ${span(over)} ago` : `reached in ${span(-over)}`;
}

function past(runs) {
  const key = JSON.stringify(runs);
  if (key === told) return;
  told = key;
  if (!runs.length) {
    $("past").replaceChildren(element("h2", {}, "Runs"), element("p", { class: "tm-nothing" }, "No run yet."));
    return;
  }
  const cell = (text, attributes = {}) => element("td", attributes, text);
  const body = [...runs].reverse().map((run) => element("tr", { "data-state": run.state, "data-run": run.run },
    element("th", { scope: "row" }, moment(run.started).replace(" UTC", "")),
    element("td", { class: "tm-run-state" }, run.state),
    cell(span((Date.parse(run.finished) - Date.parse(run.started)) / 1000), { class: "tm-number" }),
    cell(run.number ?? "", { class: "tm-number" }),
    cell(run.stored_bytes === null ? "" : size(run.stored_bytes), { class: "tm-number" }),
    cell(run.node),
    cell([["failed", "revoked", "lost"].includes(run.state) ? `at ${run.step}` : "", run.error || run.skipped].filter(Boolean).join(": "), { class: "tm-doing" })));
  const heads = [["started, UTC"], ["end"], ["took", "tm-number"], ["backup", "tm-number"], ["stored", "tm-number"], ["node"], ["note"]];
  $("past").replaceChildren(element("h2", {}, "Runs"),
    element("table", { class: "tm-table" }, element("thead", {}, element("tr", {}, ...heads.map(([text, kind]) => element("th", { scope: "col", class: kind }, text)))), element("tbody", {}, ...body)));
  $("past").tabIndex = 0; // it scrolls sideways on a phone
}

$("buttons").addEventListener("click", (event) => {
  const pressed = event.target.closest("button[data-verb]");
  if (pressed) act(pressed.dataset.verb, shard, pressed.dataset.force === "1", pressed, lookNow);
});
setInterval(() => { if (!document.hidden) tick(); }, 1000);
const lookNow = keepLooking(look);
