/* Passages with their scores, as nodes. Text of documents is never parsed. */

import { passageUrl } from "./sources.js";

const FATES = { shown: "used", ranked_out: "others ranked higher", duplicate: "says the same as one above", too_far: "not near enough" };
const NOTES = {
  redis: "The caches are away.",
  embedder: "The embedding model is away: searched by words alone.",
  reranker: "The reranker is away: the passages are in the order of the search.",
  model: "No model could be reached: the question was searched for in its own words only.",
};
const PREVIEW = 260;

const byId = (id) => document.getElementById(id);

function element(name, text, kind = "") {
  const node = document.createElement(name);
  node.textContent = text;
  if (kind) node.className = kind;
  return node;
}

function pairs(rows) {
  return rows.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .flatMap(([label, value]) => [element("dt", label), element("dd", value)]);
}

const fixed = (number, digits) => (number === null || number === undefined ? null : number.toFixed(digits));
const duration = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);

function money(amount) {
  if (amount === null) return "unknown";
  return amount ? `$${amount.toPrecision(2)}` : "$0";
}

function hitNode(hit, documents) {
  const node = byId("bench-hit").content.firstElementChild.cloneNode(true);
  const find = (selector) => node.querySelector(selector);
  find(".bench-rank").textContent = hit.fate === "shown" ? hit.rank : "–";
  find(".bench-path").textContent = hit.path;
  find(".bench-path").href = passageUrl(documents, hit.document_id, hit.chunk_id);
  find(".bench-heading").textContent = hit.heading_path;
  find(".bench-fate").textContent = FATES[hit.fate] || hit.fate;
  find(".bench-fate").classList.add(hit.fate === "shown" ? "badge-ok" : "badge-neutral");
  find(".bench-scores").append(...pairs([
    ["Similarity", fixed(hit.similarity, 3)],
    ["By meaning", hit.vector_place && `place ${hit.vector_place}`],
    ["By words", hit.keyword_place && `place ${hit.keyword_place}`],
    ["Score", fixed(hit.score, 4)],
    ["Re-ranked", fixed(hit.rerank_score, 3)],
    ["Access", hit.access_level],
  ]));
  const differs = hit.fate === "shown" && hit.shown !== hit.text;
  find(".bench-text").textContent = hit.text.length > PREVIEW ? `${hit.text.slice(0, PREVIEW)}…` : hit.text;
  find("details").hidden = hit.text.length <= PREVIEW && !differs;
  find(".bench-whole").textContent = hit.text;
  find(".bench-shown").textContent = hit.shown;
  find(".bench-shown-part").hidden = !differs;
  node.classList.toggle("is-dropped", hit.fate !== "shown");
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

function rect(attributes) {
  const node = document.createElementNS(SVG, "rect");
  for (const [name, value] of Object.entries({ height: 4, ...attributes })) node.setAttribute(name, value);
  return node;
}

function timeNode(span, whole) {
  const bar = document.createElementNS(SVG, "svg");
  for (const [name, value] of [["viewBox", "0 0 100 4"], ["preserveAspectRatio", "none"], ["class", "waterfall-bar"], ["aria-hidden", "true"]]) bar.setAttribute(name, value);
  const width = Math.max((100 * span.duration_ms) / whole, 0.5);
  bar.append(rect({ class: "waterfall-track", width: 100 }), rect({ class: `span-${span.kind}`, x: Math.min((100 * span.start_ms) / whole, 99.5), width }));
  const item = element("li", "");
  const label = [span.kind, (span.what || "").replaceAll("_", " ")].filter(Boolean).join(" ");
  item.append(element("span", label, "waterfall-kind"), bar, element("span", duration(span.duration_ms), "num"));
  return item;
}

/* How far the best passage is from what is needed, and of what both are made. */
function measured(result) {
  const { best, needed, by, passages } = result.evidence;
  if (by === "words") return `The best passage holds ${Math.round(100 * best)} % of the question's words, and ${Math.round(100 * needed)} % are needed.`;
  const nearest = Math.max(...result.dropped.map((hit) => hit.similarity));
  return `The best passage comes to ${fixed(best, 3)}, and ${fixed(needed, 3)} is needed. It counts the similarity (the nearest has ${fixed(nearest, 3)}) and up to 0.45 for the question's words that it holds; needed are the least similarity of ${result.floor} and, among ${passages.toLocaleString("en")} passages, ${fixed(needed - result.floor, 3)} more.`;
}

function nothing(result) {
  if (result.hits.length) return "";
  if (!result.dropped.length) return "No passage that you may see matches these filters.";
  return `${measured(result)} So the answer would say that the documents hold none.`;
}

export function showHits(result, documents) {
  byId("bench-figures").replaceChildren(...pairs([
    ["Candidates", String(result.hits.length + result.dropped.length)],
    ["Used", String(result.hits.length)],
    ["Time", duration(result.duration_ms)],
    ["Cost", money(result.cost_usd.total)],
    ["Tokens saved", result.saved_tokens ? String(result.saved_tokens) : ""],
    ["Also searched for", result.rewrites.join(" · ")],
  ]));
  byId("bench-notes").replaceChildren(...result.degraded.map((part) => element("li", NOTES[part] || part)));
  const whole = Math.max(result.duration_ms, 0.1);
  byId("bench-times").replaceChildren(...result.spans.map((span) => timeNode(span, whole)));
  const words = nothing(result);
  byId("bench-empty").hidden = !words;
  byId("bench-empty").querySelector("p").textContent = words;
  byId("bench-hits").replaceChildren(...result.hits.map((hit) => hitNode(hit, documents)));
  byId("bench-dropped").replaceChildren(...result.dropped.map((hit) => hitNode(hit, documents)));
  byId("bench-dropped-section").hidden = !result.dropped.length;
}
