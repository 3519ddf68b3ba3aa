/* The playground: asks over the stream and shows the answer as it comes. */

import { renderAnswer } from "./answer.js";
import { readEvents } from "./event_stream.js";

const NO_ID = "00000000-0000-0000-0000-000000000000";
const FOLLOW_PX = 160;
const STAGES = { searching: "Searching the documents", generating: "Writing the answer" };
const CACHES = { exact: "from the cache, same question", semantic: "from the cache, like question", llm: "model reply from the cache" };
const LOST = "The connection ended before the answer was complete.";

const form = document.getElementById("question-form");
const box = document.getElementById("question");
const turns = document.getElementById("turns");
const stopButton = document.getElementById("stop");
const sendButton = document.getElementById("send");
const panel = document.getElementById("source-panel");
const status = document.getElementById("playground-status");
let conversation = form.dataset.conversation;
let running = null;

/* One question and its answer on the page. */
class Turn {
  constructor(question) {
    this.question = question;
    this.text = "";
    this.citations = new Map();
    this.node = document.getElementById("turn").content.firstElementChild.cloneNode(true);
    this.find(".turn-question").textContent = question;
    document.getElementById("start")?.remove();
    turns.append(this.node);
  }

  find(selector) {
    return this.node.querySelector(selector);
  }

  showStage(text) {
    this.find(".turn-stage").hidden = !text;
    this.find(".turn-stage-text").textContent = text;
    this.node.setAttribute("aria-busy", String(Boolean(text)));
  }

  add(text) {
    this.text += text;
    this.frame ??= requestAnimationFrame(() => this.render());
  }

  render() {
    this.frame = null;
    const follows = innerHeight + scrollY > document.documentElement.scrollHeight - FOLLOW_PX;
    renderAnswer(this.find(".answer"), this.text, (number) => this.citeNode(number));
    if (follows) scrollTo({ top: document.documentElement.scrollHeight });
  }

  citeNode(number) {
    const citation = this.citations.get(number);
    if (!citation) return `[${number}]`;
    return sourceButton(citation, "cite", `[${number}]`);
  }

  showCitations(citations) {
    this.citations = new Map(citations.map((citation) => [citation.n, citation]));
    const items = citations.map((citation) => {
      const item = document.createElement("li");
      item.value = citation.n;
      item.append(sourceButton(citation, "source", `${citation.n}  ${citation.path}`));
      return item;
    });
    this.find(".turn-sources ol").replaceChildren(...items);
    this.find(".turn-sources").hidden = !items.length;
    this.render();
  }

  finish(answer) {
    this.showStage("");
    this.text = answer.answer;
    this.showCitations(answer.citations);
    this.find(".turn-meta").replaceChildren(...meta(answer));
    this.find(".turn-feedback").replaceChildren(feedbackForm(answer.id, answer.rating));
    htmx.process(this.find(".turn-feedback"));
    this.find(".turn-footer").hidden = false;
  }

  fail(message) {
    this.showStage("");
    if (this.text) this.render();
    this.find(".turn-error p").textContent = message;
    this.find(".turn-error").hidden = false;
  }
}

function sourceButton(citation, kind, text) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = kind;
  button.textContent = text;
  button.setAttribute("aria-label", `Source ${citation.n}: ${citation.path}`);
  button.setAttribute("aria-haspopup", "dialog");
  button.addEventListener("click", () => openSource(citation));
  return button;
}

function openSource(citation) {
  const chunk = encodeURIComponent(citation.chunk_id);
  document.getElementById("source-title").textContent = `Source ${citation.n}`;
  document.getElementById("source-path").textContent = citation.path;
  document.getElementById("source-quote").textContent = citation.quote;
  document.getElementById("source-link").href =
    `${form.dataset.documents}${encodeURIComponent(citation.document_id)}/?chunk=${chunk}#chunk-${chunk}`;
  if (!panel.matches(":popover-open")) panel.showPopover();
  document.getElementById("source-title").focus();
}

function duration(milliseconds) {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(2)} s`;
}

function money(amount) {
  if (amount === null || amount === undefined) return "cost unknown";
  if (amount === 0) return "$0";
  return amount >= 0.01 ? `$${amount.toFixed(2)}` : `$${Number(amount.toPrecision(2)).toFixed(Math.min(12, 1 - Math.floor(Math.log10(amount))))}`;
}

function meta(answer) {
  const isExtractive = answer.tier === "extractive";
  const facts = [
    isExtractive ? "extractive: quoted from your documents" : `${answer.tier || "no tier"} · ${answer.model || "no model"}`,
    answer.route_reason,
    answer.duration_ms === null ? "" : `${duration(answer.duration_ms)} in all`,
    answer.first_token_ms ? `first token ${duration(answer.first_token_ms)}` : "",
    isExtractive ? "" : `${answer.usage.input_tokens} + ${answer.usage.output_tokens} tokens`,
    money(answer.cost_usd.total),
    CACHES[answer.cache] || "",
  ];
  const nodes = facts.filter(Boolean).map((fact) => {
    const span = document.createElement("span");
    span.textContent = fact;
    return span;
  });
  const link = document.createElement("a");
  link.href = `${form.dataset.traces}${answer.id}/`;
  link.textContent = "Trace";
  return [...nodes, link];
}

/* The server's own form, with this answer's id in place of the empty one. */
function feedbackForm(id, rating) {
  const node = document.getElementById("feedback").content.firstElementChild.cloneNode(true);
  for (const part of [node, ...node.querySelectorAll("*")]) {
    for (const { name, value } of [...part.attributes]) {
      if (value.includes(NO_ID)) part.setAttribute(name, value.replaceAll(NO_ID, id));
    }
    if (rating && part.value === rating) part.setAttribute("aria-pressed", "true");
  }
  return node;
}

async function stream(turn, signal) {
  const response = await fetch(form.action, {
    method: "POST",
    signal,
    headers: {
      "Content-Type": "application/json",
      Accept: "text/event-stream",
      "X-CSRFToken": form.elements.csrfmiddlewaretoken.value,
    },
    body: JSON.stringify({ question: turn.question, conversation_id: conversation || null }),
  });
  if (!response.ok) throw new Error(await refusal(response));
  for await (const { name, data } of readEvents(response.body)) {
    if (name === "error") throw new Error(data.error.message);
    if (handle(turn, name, data)) return;
  }
  throw new Error(LOST);
}

async function refusal(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `The server answered with an error (${response.status}). Try again in a moment.`;
  }
}

/* True when the answer is complete. */
function handle(turn, name, data) {
  if (name === "status") {
    turn.showStage(`${STAGES[data.stage] || data.stage}…`);
    if (data.stage === "searching") joinConversation(data.conversation_id, turn.question);
  } else if (name === "token") {
    turn.showStage("");
    turn.add(data.text);
  } else if (name === "citations") {
    turn.showCitations(data.citations);
  } else if (name === "done") {
    turn.finish(data);
    status.textContent = `The answer is complete, with ${data.citations.length} sources.`;
  }
  return name === "done";
}

function joinConversation(id, question) {
  if (!id || id === conversation) return;
  conversation = id;
  const url = `${form.dataset.playground}?conversation=${id}`;
  history.replaceState(null, "", url);
  document.getElementById("no-conversations")?.remove();
  document.querySelector("#conversations [aria-current]")?.removeAttribute("aria-current");
  const link = document.createElement("a");
  link.href = url;
  link.setAttribute("aria-current", "page");
  const words = document.createElement("span");
  words.className = "truncate";
  words.textContent = question;
  link.append(words);
  const item = document.createElement("li");
  item.append(link);
  document.getElementById("conversations").prepend(item);
}

function setRunning(controller) {
  running = controller;
  stopButton.hidden = !controller;
  sendButton.hidden = Boolean(controller);
}

async function ask(question) {
  if (running || !question.trim()) return;
  const controller = new AbortController();
  const turn = new Turn(question.trim());
  setRunning(controller);
  box.value = "";
  turn.showStage("Asking…");
  status.textContent = "Asking.";
  turn.node.scrollIntoView({ block: "start" });
  try {
    await stream(turn, controller.signal);
  } catch (error) {
    const message = error.name === "AbortError" ? "Stopped. What came so far is kept with the trace."
      : error instanceof TypeError ? "The server could not be reached. Check the connection and ask again." : error.message;
    turn.fail(message);
  } finally {
    setRunning(null);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(box.value);
});
box.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  ask(box.value);
});
stopButton.addEventListener("click", () => {
  running?.abort();
  box.focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  event.preventDefault();
  box.focus();
});
document.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-question]");
  if (chosen) {
    box.focus();
    ask(chosen.dataset.question);
  }
  const retry = event.target.closest("[data-retry]");
  if (retry) {
    const turn = retry.closest(".turn");
    const question = turn.querySelector(".turn-question").textContent;
    if (!running) turn.remove();
    ask(question);
  }
});

for (const earlier of JSON.parse(document.getElementById("earlier-turns").textContent)) {
  const turn = new Turn(earlier.question);
  turn.finish(earlier);
  if (earlier.withheld) turn.fail("This answer drew on documents that you may no longer read.");
  else if (earlier.error) turn.fail(earlier.error);
  else if (earlier.status === "cancelled") turn.fail("This answer was stopped before it was complete.");
}
turns.lastElementChild?.scrollIntoView({ block: "start" });
