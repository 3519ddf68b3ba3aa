/* Uploads: each file is its own request, with its own progress, result and error. Without this file the form is an ordinary one. */
"use strict";

import { findProblem, readDropped, readPicked } from "./upload_files.js";

const AT_ONCE = 3;
const REFRESH_MS = 800;
/* Of the files that went well so many are shown; the summary counts them all. */
const ROWS_KEPT = 100;
const WORDS = { new: "New", replaced: "Replaced", unchanged: "Unchanged", failed: "Failed", refused: "Not sent", cancelled: "Cancelled" };
const NOT_REACHED = "The server could not be reached: check the connection and try again.";

const form = document.getElementById("upload");
const panel = document.getElementById("upload-panel");
const results = document.getElementById("upload-results");
const limits = {
  maxBytes: Number(form.dataset.maxBytes),
  unreadable: new Set(form.dataset.unreadable.split(" ")),
};
let uploads = [];
let waiting = [];
const running = new Set();
let refreshTimer = null;

/* The list is asked for again at most once in a while, however many files arrive. */
function refreshDocuments() {
  if (refreshTimer) return;
  refreshTimer = setTimeout(() => {
    refreshTimer = null;
    htmx.trigger(document.body, "documents-changed");
  }, REFRESH_MS);
}

function isBusy() {
  return waiting.length + running.size > 0;
}

function count(outcome) {
  return uploads.filter((upload) => upload.outcome === outcome).length;
}

function listCounts() {
  return Object.keys(WORDS)
    .map((outcome) => [count(outcome), WORDS[outcome].toLowerCase()])
    .filter(([number]) => number)
    .map(([number, word]) => `${number.toLocaleString("en")} ${word}`)
    .join(", ");
}

function showSummary() {
  const done = uploads.filter((upload) => upload.outcome).length;
  const total = uploads.length.toLocaleString("en");
  const counts = listCounts();
  const title = isBusy() ? `Uploading: ${done.toLocaleString("en")} of ${total}` : `Done: ${total} file${uploads.length === 1 ? "" : "s"}`;
  document.getElementById("upload-title").textContent = title;
  document.getElementById("upload-counts").textContent = counts;
  const sent = [...running].reduce((sum, upload) => sum + upload.share, done);
  const bar = document.getElementById("upload-progress");
  bar.value = uploads.length ? sent / uploads.length : 0;
  bar.hidden = !isBusy();
  document.getElementById("upload-cancel").hidden = !isBusy();
  document.getElementById("upload-clear").hidden = isBusy();
  document.getElementById("upload-retry").hidden = isBusy() || !uploads.some(canRetry);
  panel.hidden = !uploads.length;
}

/* Heard at the beginning and at the end, not with each file. */
function announce(text) {
  document.getElementById("upload-status").textContent = text;
}

function makeRow(upload) {
  const row = document.getElementById("upload-row").content.firstElementChild.cloneNode(true);
  row.querySelector(".upload-name").textContent = upload.path || upload.file.name;
  upload.row = row;
  results.append(row);
}

function showRow(upload) {
  if (!upload.row) makeRow(upload);
  const { row, outcome } = upload;
  row.dataset.outcome = outcome;
  row.querySelector(".upload-state").textContent = WORDS[outcome] ?? (upload.share < 1 ? `${Math.floor(100 * upload.share)} %` : "Storing");
  row.querySelector(".upload-reason").textContent = upload.reason;
  row.querySelector("progress").hidden = Boolean(outcome);
  row.querySelector("progress").value = upload.share;
}

/* What failed stays at the top, where it is seen however many files there are. */
function placeRow(upload) {
  if (upload.outcome === "failed" || upload.outcome === "refused") results.prepend(upload.row);
  const good = results.querySelectorAll("[data-outcome=new], [data-outcome=replaced], [data-outcome=unchanged]");
  for (let extra = 0; extra < good.length - ROWS_KEPT; extra += 1) good[extra].remove();
}

function settle(upload, outcome, reason = "") {
  running.delete(upload);
  Object.assign(upload, { outcome, reason, share: 1, request: null });
  showRow(upload);
  placeRow(upload);
}

function add({ file, path, problem }) {
  const upload = {
    file: file ?? { name: path },
    path,
    level: document.getElementById("upload-level").value,
    source: document.getElementById("upload-source")?.value ?? "",
    outcome: "",
    reason: "",
    share: 0,
  };
  uploads.push(upload);
  const found = problem || findProblem(file, path, limits);
  if (found) settle(upload, "refused", found);
  else waiting.push(upload);
}

/* Files that come while others are under way join them. */
async function take(files) {
  if (!isBusy()) announce("Uploading.");
  let added = 0;
  for await (const item of files) {
    add(item);
    added += 1;
    if (added % 50 === 0) startNext();
  }
  if (!added) announce("There is no file to upload in it.");
  else startNext();
  if (!added) showSummary();
}

function startNext() {
  while (running.size < AT_ONCE && waiting.length) send(waiting.shift());
  showSummary();
  if (!isBusy() && uploads.length) announce(`Upload done: ${listCounts()}.`);
}

function send(upload) {
  const body = new FormData();
  body.append("access_level", upload.level);
  if (upload.source) body.append("source", upload.source);
  if (upload.path) body.append("path", upload.path);
  body.append("file", upload.file);
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) upload.share = event.loaded / event.total;
    showRow(upload);
    showSummary();
  });
  request.addEventListener("load", () => finish(upload, request));
  request.addEventListener("error", () => finish(upload, request));
  Object.assign(upload, { request, outcome: "", reason: "", share: 0 });
  running.add(upload);
  showRow(upload);
  request.send(body);
}

function finish(upload, request) {
  const stored = request.status === 202 ? JSON.parse(request.responseText).documents[0] : null;
  if (stored) settle(upload, stored.result);
  else settle(upload, "failed", errorOf(request));
  if (stored && stored.result !== "unchanged") refreshDocuments();
  startNext();
}

function errorOf(request) {
  if (request.status === 0) return NOT_REACHED;
  try {
    return JSON.parse(request.responseText).error.message;
  } catch {
    if (request.status === 413) return "The file is too large.";
    if (request.status === 403) return "You may not upload here, or you were signed out: reload the page.";
    return `The server answered with an error (${request.status}). The file was not stored.`;
  }
}

function cancel() {
  const stopped = [...running, ...waiting];
  waiting = [];
  for (const upload of stopped) {
    upload.request?.abort();
    settle(upload, "cancelled");
  }
  startNext();
}

/* What was not sent because it cannot be read stays as it is. */
function canRetry(upload) {
  return upload.outcome === "failed" || upload.outcome === "cancelled";
}

function retry() {
  waiting = uploads.filter(canRetry);
  for (const upload of waiting) {
    upload.outcome = "";
    upload.row?.remove();
    upload.row = null;
  }
  announce("Uploading again.");
  startNext();
}

function clear() {
  uploads = [];
  results.replaceChildren();
  showSummary();
}

function carriesFiles(event) {
  return event.dataTransfer && [...event.dataTransfer.types].includes("Files");
}

/* The whole page takes drops, so that a near miss does not open the file in the browser. */
const dropzone = document.getElementById("dropzone");
addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  dropzone.classList.add("is-over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) dropzone.classList.remove("is-over");
});
addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  dropzone.classList.remove("is-over");
  take(readDropped(event.dataTransfer));
});

for (const id of ["upload-files", "upload-folder"]) {
  const picker = document.getElementById(id);
  picker.addEventListener("change", () => {
    take(readPicked([...picker.files]));
    picker.value = "";
  });
}
document.getElementById("upload-pick-folder").addEventListener("click", () => document.getElementById("upload-folder").click());
document.getElementById("upload-cancel").addEventListener("click", cancel);
document.getElementById("upload-retry").addEventListener("click", retry);
document.getElementById("upload-clear").addEventListener("click", clear);
addEventListener("beforeunload", (event) => {
  if (isBusy()) event.preventDefault();
});

form.classList.add("is-live");
for (const node of form.querySelectorAll("[data-with-script]")) node.hidden = false;
document.getElementById("upload-submit").hidden = true;
