/* The retrieval bench: searches by the live route and shows what became of every passage. */

import { postJson, refusal, understand } from "./ask.js";
import { addressOf, changed, isValid, markChanges, settings, takeAsSaved, watch } from "./knobs.js";
import { showHits } from "./bench_hits.js";

const form = document.getElementById("bench");
const knobs = document.getElementById("bench-knobs");
const found = document.getElementById("bench-found");
const status = document.getElementById("bench-status");
const failure = document.getElementById("bench-error");
const FILTERS = { source: "source", path: "path_prefix", level: "access_level" };
let running = null;
let hasRun = false;

const value = (name) => form.elements[name].value.trim();

function filters() {
  const used = Object.entries(FILTERS).filter(([name]) => value(name));
  return Object.fromEntries(used.map(([name, key]) => [key, value(name)]));
}

function keepInAddress() {
  const given = ["q", ...Object.keys(FILTERS)].filter(value).map((name) => [name, value(name)]);
  const query = new URLSearchParams([...given, ...addressOf(knobs)]).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

function showChanged() {
  const count = changed(knobs).length;
  const badge = document.getElementById("bench-changed");
  badge.hidden = !count;
  badge.textContent = `${count} changed`;
}

async function search(signal, changes = {}) {
  const response = await postJson(form.action, form.elements.csrfmiddlewaretoken.value, {
    question: value("q"),
    filters: filters(),
    settings: { ...settings(knobs), ...changes },
    explain: true,
  }, { signal, headers: { "X-Ragadmin-Tenant": form.dataset.tenant } });
  if (!response.ok) throw await refusal(response);
  return response.json();
}

/* What came nearest, where nothing was near enough: the same without the floor. */
async function searchAll(signal) {
  const result = await search(signal);
  result.floor = settings(knobs).min_similarity;
  if (result.hits.length || result.dropped.length || !result.floor) return result;
  const { hits, dropped } = await search(signal, { min_similarity: 0, neighbours: 0, compress: false, multi_query: "off" });
  result.dropped = [...hits, ...dropped].map((hit) => ({ ...hit, fate: "too_far" }));
  return result;
}

async function run() {
  if (!value("q")) {
    status.textContent = "Write a question and press Enter.";
    return;
  }
  if (!isValid(knobs)) return;
  running?.abort();
  const controller = new AbortController();
  running = controller;
  keepInAddress();
  failure.hidden = true;
  found.setAttribute("aria-busy", "true");
  status.textContent = "Searching…";
  try {
    const result = await searchAll(controller.signal);
    showHits(result, form.dataset.documents);
    found.hidden = false;
    hasRun = true;
    status.textContent = `${result.hits.length} of ${result.hits.length + result.dropped.length} candidates are shown to the model.`;
  } catch (error) {
    if (error.name === "AbortError") return;
    fail(understand(error).message);
  }
  found.removeAttribute("aria-busy");
}

function fail(message) {
  found.hidden = true;
  status.textContent = "";
  failure.querySelector("p").textContent = message;
  failure.hidden = false;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
watch(knobs, () => {
  showChanged();
  keepInAddress();
  if (hasRun) status.textContent = "The settings have changed since this search: press Search.";
});
document.addEventListener("settings-saved", () => {
  takeAsSaved(knobs);
  markChanges(knobs);
  showChanged();
  keepInAddress();
  status.textContent = "The settings are saved.";
});

if (matchMedia("(max-width: 60rem)").matches) knobs.open = false;
showChanged();
if (value("q")) run();
