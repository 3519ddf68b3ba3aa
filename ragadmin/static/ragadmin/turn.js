/* One question and its answer on the page: the text while it comes, then what the server knows of it. */

import { renderAnswer } from "./answer.js";
import { sourceButton } from "./sources.js";

const FOLLOW_PX = 160;
const STAGES = { searching: "Searching the documents", generating: "Writing the answer", cached: "Found in the cache" };
const PART = "What came so far is kept with its trace.";

export class Turn {
  /* `node`: an article made from the template, or one that the server has filled. */
  constructor(node, documents) {
    this.node = node;
    this.documents = documents;
    this.text = "";
    this.citations = new Map();
  }

  static begin(question, documents) {
    const node = document.getElementById("turn").content.firstElementChild.cloneNode(true);
    node.querySelector(".turn-question").textContent = question;
    return new Turn(node, documents);
  }

  find(selector) {
    return this.node.querySelector(selector);
  }

  get question() {
    return this.find(".turn-question").textContent;
  }

  /* An event of the stream. */
  take({ name, data }) {
    if (name === "status") this.showStage(`${STAGES[data.stage] || data.stage}…`);
    else if (name === "token") this.add(data.text);
    else if (name === "citations") this.showCitations(data.citations);
    else if (name === "done") this.complete(data);
  }

  showStage(text) {
    this.find(".turn-stage").hidden = !text;
    this.find(".turn-stage-text").textContent = text;
    this.node.setAttribute("aria-busy", String(Boolean(text)));
  }

  add(text) {
    this.showStage("");
    this.text += text;
    this.frame ??= requestAnimationFrame(() => this.render());
  }

  render() {
    this.frame = null;
    this.following(() => renderAnswer(this.find(".answer"), this.text, (number) => this.citeNode(number)));
  }

  /* Whoever reads the end of the page goes on reading it there. */
  following(change) {
    const follows = innerHeight + scrollY > document.documentElement.scrollHeight - FOLLOW_PX;
    change();
    if (follows) scrollTo({ top: document.documentElement.scrollHeight });
  }

  citeNode(number) {
    const citation = this.citations.get(number);
    return citation ? sourceButton(citation, "cite", `[${number}]`, this.documents) : `[${number}]`;
  }

  showCitations(citations) {
    this.citations = new Map(citations.map((citation) => [citation.n, citation]));
    const items = citations.map((citation) => {
      const item = document.createElement("li");
      item.value = citation.n;
      item.append(sourceButton(citation, "source", `${citation.n}  ${citation.path}`, this.documents));
      return item;
    });
    this.find(".turn-sources ol").replaceChildren(...items);
    this.find(".turn-sources").hidden = !items.length;
    this.render();
  }

  complete({ answer, citations, abstained, question }) {
    this.showStage("");
    this.text = answer;
    this.node.classList.toggle("is-abstained", Boolean(abstained));
    this.find(".turn-abstained").hidden = !abstained;
    if (question && question !== this.question) {
      this.find(".turn-searched span").textContent = question;
      this.find(".turn-searched").hidden = false;
    }
    this.showCitations(citations);
  }

  /* Costs, ratings and the like, once the trace is stored. */
  async showEnd(traces, id) {
    const footer = this.find(".turn-footer");
    // htmx lets one element send one request at a time, and without a source they are all the body's.
    await htmx.ajax("GET", `${traces}${encodeURIComponent(id)}/turn/`, { source: footer, target: footer, swap: "innerHTML settle:0ms" });
    this.following(() => { footer.hidden = false; });
  }

  fail(error) {
    this.showStage("");
    if (this.text) this.render();
    this.find(".turn-error p").textContent = this.text && error.answerId ? `${error.message} ${PART}` : error.message;
    this.find(".turn-error").hidden = false;
    if (error.retryAfter > 0) this.waitToRetry(error.retryAfter);
  }

  waitToRetry(seconds) {
    const button = this.find("[data-retry]");
    const label = button.querySelector("span");
    button.disabled = seconds > 0;
    label.textContent = seconds > 0 ? `Ask again in ${waiting(seconds)}` : "Ask again";
    if (seconds > 0) setTimeout(() => this.waitToRetry(seconds - 1), 1000);
  }
}

function waiting(seconds) {
  if (seconds < 100) return `${seconds} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
