/* The panel that shows what a citation rests on. */

const panel = document.getElementById("source-panel");

export function sourceButton(citation, kind, text, documents) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = kind;
  button.textContent = text;
  button.setAttribute("aria-label", `Source ${citation.n}: ${citation.path}`);
  button.setAttribute("aria-haspopup", "dialog");
  button.addEventListener("click", () => openSource(citation, documents));
  return button;
}

/* The address of a passage in its document; `documents` is that of their list. */
export function passageUrl(documents, documentId, chunkId) {
  const chunk = encodeURIComponent(chunkId);
  return `${documents}${encodeURIComponent(documentId)}/?chunk=${chunk}#chunk-${chunk}`;
}

function openSource(citation, documents) {
  document.getElementById("source-title").textContent = `Source ${citation.n}`;
  document.getElementById("source-path").textContent = citation.path;
  document.getElementById("source-quote").textContent = citation.quote;
  document.getElementById("source-link").href = passageUrl(documents, citation.document_id, citation.chunk_id);
  if (!panel.matches(":popover-open")) panel.showPopover();
  document.getElementById("source-title").focus();
}
