/* Brings the cited passage into view. A bare #chunk-… may name a passage of another page of the document. */

const marked = document.querySelector(".passage.is-marked");
const named = /^#chunk-(\d{1,18})$/.exec(location.hash);
if (marked) {
  marked.scrollIntoView({ block: "center" });
  marked.focus({ preventScroll: true });
} else if (named && !document.querySelector(location.hash) && !location.search.includes("chunk=")) {
  location.replace(`?chunk=${named[1]}${location.hash}`);
}
