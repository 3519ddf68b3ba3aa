/* What people chose or dropped, as files with the path that their documents will have. */
"use strict";

const MEGABYTE = 1048576;

/* Files that systems leave in folders, and folders of programs. Nobody means them. */
function isHidden(name) {
  return name.startsWith(".") || name === "Thumbs.db" || name === "desktop.ini" || name === "__MACOSX";
}

/* Why the server would not take it; empty when it would. */
export function findProblem(file, path, { maxBytes, unreadable }) {
  const name = path || file.name;
  const suffix = name.slice(name.lastIndexOf("/") + 1).split(".").slice(1).pop()?.toLowerCase() ?? "";
  if (unreadable.has(suffix)) return `Files of the type .${suffix} have no text that can be read.`;
  if (file.size === 0) return "The file is empty.";
  if (file.size > maxBytes) return `The file is larger than ${Math.floor(maxBytes / MEGABYTE)} MB: split it or leave parts out.`;
  return "";
}

/* A file has no path of its own unless it came with a folder. */
export function* readPicked(files) {
  for (const file of files) {
    const path = file.webkitRelativePath || "";
    if (!path || !path.split("/").some(isHidden)) yield { file, path };
  }
}

/* A dropped folder is walked through. Yields { file, path } or { path, problem }. */
export async function* readDropped(transfer) {
  const files = [...transfer.files];
  // Both lists are emptied when the event is over.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) yield* readPicked(files);
  for (const entry of entries) yield* readEntry(entry, false);
}

async function* readEntry(entry, isInside) {
  if (isInside && isHidden(entry.name)) return;
  const path = entry.fullPath.replace(/^\//, "");
  try {
    if (entry.isFile) yield { file: await fileOf(entry), path: isInside ? path : "" };
    else for (const child of await childrenOf(entry)) yield* readEntry(child, true);
  } catch {
    yield { path, problem: "The browser could not read it: check that it still exists." };
  }
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/* Browsers give a folder's children by the hundred. */
async function childrenOf(entry) {
  const reader = entry.createReader();
  const children = [];
  for (;;) {
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!batch.length) return children.sort((one, other) => (one.name < other.name ? -1 : 1));
    children.push(...batch);
  }
}
